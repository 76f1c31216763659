// The runs of a session, the latest first.

import { button, h, icon } from "../dom.js";
import { absolute, ago, counted, dollars, duration, tokenDetails, tokens } from "../format.js";
import { read } from "../requests.js";
import { badge } from "../states.js";
import { showFailure } from "../sessions/sidebar.js";
import { cut, failure } from "../transcript/content.js";

export class RunsTab {
  #list = h("ul", { class: "runs" });
  #failure = h("div", { class: "notice", hidden: true });
  #more = button("More runs", { hidden: true, on: { click: () => this.#load() } });
  #nothing = h("p", { class: "empty", hidden: true }, "No run was recorded in this session.");
  #rows = new Map();
  #open = new Map();
  #cursor = null;
  #hasRead = false;
  element = h("div", { class: "runs-pane" },
    h("div", { class: "run-columns", "aria-hidden": "true" },
      ["State", "Started", "Model", "Duration", "Tokens", "Cost"].map((name) => h("span", {}, name))),
    this.#failure, this.#list, this.#nothing, this.#more);

  constructor(sessionId, locate) {
    this.sessionId = sessionId;
    this.locate = locate;
  }

  shown() { if (!this.#hasRead) this.#load(); }

  /** Take what the stream tells of the latest runs. */
  heard(runs) {
    if (!this.#hasRead) return;
    for (const run of [...runs].reverse()) this.#put(run, true);
    this.#nothing.hidden = this.#rows.size > 0;
  }

  async #load() {
    try {
      const page = await read("api/runs", { session_id: this.sessionId, cursor: this.#cursor });
      this.#hasRead = true;
      for (const run of page.items) this.#put(run, false);
      this.#cursor = page.cursor;
      this.#more.hidden = page.cursor === null;
      this.#nothing.hidden = this.#rows.size > 0;
      showFailure(this.#failure, null);
    } catch (error) {
      showFailure(this.#failure, error, () => this.#load());
    }
  }

  #put(run, isNew) {
    let item = this.#rows.get(run.id);
    const key = `${run.revision} ${run.state}`;
    if (!item) {
      item = h("li", {});
      this.#rows.set(run.id, item);
      if (isNew) this.#list.prepend(item);
      else this.#list.append(item);
    } else if (item.dataset.key === key) return;
    item.dataset.key = key;
    const hadFocus = item.contains(document.activeElement);
    item.replaceChildren(this.#row(run));
    if (hadFocus) item.querySelector("summary").focus({ preventScroll: true });
  }

  #row(run) {
    const inside = h("div", { class: "run-inside" });
    const details = h("details", { class: "run" }, h("summary", {},
      h("span", { class: "run-line" },
        badge(run.state),
        h("time", { datetime: run.started_at, title: absolute(run.started_at) }, ago(run.started_at)),
        h("span", { class: "clip", title: [run.provider, run.model].filter(Boolean).join(" · ") }, run.model ?? run.provider ?? "–"),
        h("span", { class: "figure", title: "Duration" }, run.duration_ms === null ? "–" : duration(run.duration_ms)),
        h("span", { class: "figure", title: run.tokens ? tokenDetails(run.tokens) : "Nobody told" }, run.tokens ? tokens(run.tokens) : "–"),
        h("span", { class: "figure", title: run.cost_is_computed ? "By list prices" : null }, run.cost_is_computed && run.cost_usd !== null ? "≈ " : "", dollars(run.cost_usd))),
      h("span", { class: "run-input clip quiet" }, run.error ? run.error.message.text : run.input?.text ?? "")),
    inside);
    const fill = () => {
      this.#open.set(run.id, details.open);
      if (details.open && !inside.firstChild) inside.append(...this.#contents(run));
    };
    details.addEventListener("toggle", fill);
    details.open = this.#open.get(run.id) ?? false;
    fill();
    return details;
  }

  #contents(run) {
    const view = new Unfolded();
    const row = { sequence: run.id };
    const answer = h("span", { class: "small", role: "status" });
    const part = (title, value, options) => (value ? h("section", {}, h("h4", {}, title), cut(value, title, row, view, options)) : null);
    return [
      h("dl", { class: "pairs" },
        pair("Run", h("span", { class: "mono" }, run.id)),
        pair("Started", absolute(run.started_at)),
        run.ended_at ? pair("Ended", absolute(run.ended_at)) : null,
        run.lease ? pair("Lease", `lapses ${absolute(run.lease.lapses_at)}`) : null,
        run.state === "interrupted" ? pair("Interrupted", run.is_recovered ? "Its recorder died; a recovery has ended it." : "Its recorder is gone; nobody has ended it yet.") : null,
        run.turn_count ? pair("Turns", counted(run.turn_count, "turn")) : null,
        run.tokens ? pair("Tokens", tokenDetails(run.tokens)) : null),
      run.error ? h("section", {}, h("h4", {}, "Error"), failure({ ...run.error, details: run.error.data }, row, view)) : null,
      part("Input", run.input), part("Output", run.output), part("Metadata", run.metadata, { isMarked: false }),
      h("p", { class: "run-links" }, h("button", {
        type: "button", class: "button", on: { click: async () => { answer.textContent = await this.locate(run); } },
      }, icon("next"), "Show in the transcript"), answer),
    ].filter(Boolean);
  }
}

const pair = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

// What is unfolded here is forgotten with the row; what is cut is whole in the transcript.
class Unfolded {
  isOpen(_key, usual) { return usual; }

  setOpen() { /* The element itself knows. */ }

  complete() { /* The whole value is in the session's export. */ }
}
