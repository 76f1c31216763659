// What else is stored of a session.

import { h } from "../dom.js";
import { absolute, counted, tokenDetails, whole } from "../format.js";
import { cut } from "../transcript/content.js";

export class DetailsTab {
  element = h("div", { class: "details-pane" });
  #key = null;
  #open = new Set();

  take(data) {
    const key = JSON.stringify(data);
    if (key === this.#key) return;
    this.#key = key;
    const { session } = data;
    const row = { sequence: 0 };
    const retracted = data.retracted ?? [];
    this.element.replaceChildren(
      h("dl", { class: "pairs" },
        pair("Session", h("span", { class: "mono" }, session.id)),
        pair("Agent", session.agent_id),
        pair("User", session.user_id), pair("Tenant", session.tenant_id),
        pair("Status", session.status),
        pair("Created", absolute(session.created_at)),
        pair("Changed", absolute(session.updated_at)),
        session.last_activity_at ? pair("Last activity", absolute(session.last_activity_at)) : null,
        session.deleted_at ? pair("Deleted", absolute(session.deleted_at)) : null,
        pair("Parent", session.parent_session_id ? h("span", { class: "mono" }, session.parent_session_id) : null),
        pair("Revision", whole(session.revision)),
        pair("Events", `${whole(data.event_count)} stored; numbers ${whole(data.first_sequence)} to ${whole(data.latest_sequence)}`),
        pair("Runs", Object.entries(data.run_counts ?? {}).filter(([, count]) => count).map(([status, count]) => `${whole(count)} ${status}`).join(", ")),
        pair("Providers", (data.providers ?? []).join(", ")),
        pair("Tokens", tokenDetails(session.tokens)),
        retracted.length ? pair("Retracted", retracted.map(([first, last]) => (first === last ? whole(first) : `${whole(first)} to ${whole(last)}`)).join(", ")) : null,
        data.unpriced_runs ? pair("Without a price", counted(data.unpriced_runs, "run")) : null),
      section("Metadata", data.metadata, row, this), section("Context", data.context, row, this));
  }

  isOpen(key, usual) { return this.#open.has(key) ? !usual : usual; }

  setOpen(key, isOpen, usual) {
    if (isOpen === usual) this.#open.delete(key);
    else this.#open.add(key);
  }

  complete() { /* The whole value is in the session's export. */ }
}

const section = (title, value, row, view) => h("section", {}, h("h2", {}, title),
  value && value.text !== "{}" ? cut(value, title, row, view, { isMarked: false }) : h("p", { class: "quiet small" }, "Empty"));

const pair = (name, value) => (value ? h("div", {}, h("dt", {}, name), h("dd", {}, value)) : null);
