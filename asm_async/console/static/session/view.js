// One session: what it is, and its transcript, runs, relatives and details.

import { badge, stateOf } from "../states.js";
import { button, h, icon } from "../dom.js";
import { absolute, ago, compact, counted, dollars, tokenDetails, tokens, whole } from "../format.js";
import { adjust, hrefOf, hrefOfSession, selection } from "../address.js";
import { connection, isAborted, read, Refusal } from "../requests.js";
import { follow } from "../streams.js";
import { showFailure } from "../sessions/sidebar.js";
import { TranscriptPane } from "../transcript/pane.js";
import { actions } from "./actions.js";
import { DetailsTab } from "./details.js";
import { RunsTab } from "./runs.js";
import { TreeTab } from "./tree.js";

const TABS = [["transcript", "Transcript"], ["runs", "Runs"], ["tree", "Related"], ["details", "Details"]];

export class SessionView {
  #abort = new AbortController();
  #stream = null;
  #shown = null;
  #tab = null;
  #about;
  #panel;
  #header = h("header", { class: "session-head" });
  #failure = h("div", { class: "notice", hidden: true });
  #tabs = new Map();
  #onBack = () => this.#load();
  data = null;

  constructor(id, { about, collection, panel }) {
    this.id = id;
    this.collection = collection;
    this.#about = about;
    this.#panel = panel;
    this.pane = new TranscriptPane(id, { openRaw: (sequence) => this.openRaw(sequence) });
    const locate = (run) => this.#locate(run);
    this.#tabs.set("transcript", this.pane)
      .set("runs", new RunsTab(id, locate))
      .set("tree", new TreeTab(id))
      .set("details", new DetailsTab());
    const list = h("div", { class: "tabs", role: "tablist", "aria-label": "What to see of the session" },
      TABS.map(([name, label]) => h("button", {
        type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}`,
        on: { click: () => this.#choose(name), keydown: (key) => this.#onTabKey(key, name) },
      }, label, h("span", { class: "tab-count figure" }))));
    const views = TABS.map(([name]) => h("section", {
      class: `tab-view of-${name}`, role: "tabpanel", id: `view-${name}`, "aria-labelledby": `tab-${name}`, hidden: true,
      tabindex: name === "transcript" ? null : "0",
    }, this.#tabs.get(name).element));
    this.element = h("div", { class: "session" }, this.#header, this.#failure, list, views);
    connection.addEventListener("back", this.#onBack);
    this.#showHead();
    this.#load();
  }

  close() {
    this.#abort.abort();
    this.#stream?.close();
    this.pane.close();
    connection.removeEventListener("back", this.#onBack);
  }

  /** Show what the address says of this session. */
  show({ at, raw, tab }) {
    const name = this.#tabs.has(tab) ? tab : "transcript";
    const sequence = Number(at) || null;
    const isOther = this.#shown?.at !== sequence;
    this.#shown = { at: sequence };
    if (name !== this.#tab) this.#showTab(name);
    if (name === "transcript") {
      if (!this.pane.isOpen) this.pane.open(sequence);
      else if (isOther && sequence !== null && this.pane.scroller.current !== sequence) this.pane.goTo(sequence);
    }
    if (raw && sequence) this.#panel.show(this.id, sequence);
    else this.#panel.hide();
  }

  openRaw(sequence) { adjust({ at: sequence, raw: "1" }, { replace: Boolean(selection().raw) }); }

  focusTitle() { this.#header.querySelector("h1")?.focus({ preventScroll: true }); }

  #choose(name) { adjust({ tab: name === "transcript" ? null : name, raw: null }); }

  #showTab(name) {
    this.#tab = name;
    for (const [each] of TABS) {
      const isShown = each === name;
      const tab = this.element.querySelector(`#tab-${each}`);
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      this.element.querySelector(`#view-${each}`).hidden = !isShown;
    }
    this.#tabs.get(name).shown?.();
  }

  #onTabKey(key, name) {
    const names = TABS.map(([each]) => each);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key.key];
    const to = key.key === "Home" ? 0 : key.key === "End" ? names.length - 1
      : step ? (names.indexOf(name) + step + names.length) % names.length : null;
    if (to === null) return;
    key.preventDefault();
    this.#choose(names[to]);
    this.element.querySelector(`#tab-${names[to]}`).focus();
  }

  async #load() {
    try {
      this.#take(await read("api/session", { session_id: this.id }, this.#abort.signal));
      showFailure(this.#failure, null);
      if (!this.#stream) {
        this.#stream = follow("api/stream", () => ({ session_id: this.id, after: this.pane.log.latest || this.data.latest_sequence }), {
          entries: (news) => this.pane.heard(news),
          session: (news) => {
            this.#take(news);
            this.pane.knowRuns(news.runs);
            this.#tabs.get("runs").heard(news.runs);
          },
          gone: () => this.#gone(),
        });
      }
      const shown = this.#tabs.get(this.#tab);
      if (shown?.element.querySelector(".notice:not([hidden])")) shown.shown?.();
      if (this.pane.isOpen && this.pane.scroller.error) await this.pane.retry();
    } catch (error) {
      if (isAborted(error)) return;
      if (error instanceof Refusal && error.status === 404) this.#gone();
      else showFailure(this.#failure, error, () => this.#load());
    }
  }

  #take(data) {
    this.data = { ...this.data, ...data };
    this.pane.log.bounds({ latest_sequence: data.latest_sequence });
    this.collection.update(data.session);
    this.#showHead();
    this.#tabs.get("details").take(this.data);
    const counts = { transcript: data.latest_sequence, runs: data.session.run_count };
    for (const [name, count] of Object.entries(counts)) {
      const place = this.element.querySelector(`#tab-${name} .tab-count`);
      if (place.textContent !== compact(count)) place.textContent = compact(count);
    }
  }

  #gone() {
    this.#stream?.close();
    this.element.replaceChildren(h("div", { class: "empty" },
      h("h1", { tabindex: "-1" }, "There is no such session"),
      h("p", {}, "It was deleted for good, or it is not yours to see: ", h("span", { class: "mono" }, this.id)),
      h("a", { class: "button", href: "./" }, "All sessions")));
  }

  async #locate(run) {
    try {
      const { sequence } = await read("api/locate", { session_id: this.id, run_id: run.id }, this.#abort.signal);
      if (sequence === null) return "This run has no event.";
      adjust({ tab: null, at: sequence, raw: null });
      await this.pane.goTo(sequence, { focus: true });
    } catch (error) {
      if (!isAborted(error)) return error.message;
    }
    return "";
  }

  #showHead() {
    const row = this.data?.session ?? this.collection.get(this.id);
    document.title = row ? `${row.title} – Agent sessions` : "Agent sessions";
    if (!row) {
      this.#header.replaceChildren(backLink(), h("h1", { class: "clip", tabindex: "-1" }, "Loading …"));
      return;
    }
    // Only what differs is exchanged: a menu that is open stays so.
    const key = JSON.stringify([row, this.data?.cost_usd, this.data?.unpriced_runs]);
    if (this.#header.dataset.key === key) return;
    this.#header.dataset.key = key;
    const focused = this.#header.contains(document.activeElement) ? document.activeElement.id : null;
    const open = [...this.#header.querySelectorAll("details[open]")].map((each) => each.id);
    this.#header.replaceChildren(
      h("div", { class: "title-line" }, backLink(),
        h("h1", { id: "title", tabindex: "-1", class: row.title_is === "id" ? "mono" : null, title: row.title }, row.title),
        actions(row, this.#about, (changed) => this.#take({ ...this.data, session: changed }))),
      h("div", { class: "facts" }, badge(stateOf(row)),
        fact("Agent", row.agent_id), fact("User", row.user_id),
        this.#about.is_operator ? fact("Tenant", row.tenant_id) : null,
        row.parent_session_id ? h("a", { href: hrefOfSession(this.id, { tab: "tree" }) }, icon("branch"), " From another session") : null,
        row.tags.map((tag) => h("a", { class: "tag", href: hrefOf({ tag, session: this.id }), title: `Sessions with the tag ${tag}` }, tag))),
      h("dl", { class: "stats figure" },
        stat("Last activity", ago(row.last_activity_at ?? row.updated_at), absolute(row.last_activity_at ?? row.updated_at)),
        stat("Events", whole(row.latest_sequence), null, "of-tabs"),
        stat("Runs", whole(row.run_count), null, "of-tabs"),
        stat("Tokens", tokens(row.tokens), tokenDetails(row.tokens)),
        stat("Cost", dollars(this.data?.cost_usd), this.data?.unpriced_runs ? `Without ${counted(this.data.unpriced_runs, "run")} that no price is known for` : null)),
    );
    for (const id of open) this.#header.querySelector(`#${id}`)?.setAttribute("open", "");
    if (focused) this.#header.querySelector(`#${focused}`)?.focus({ preventScroll: true });
  }
}

const backLink = () => button("Back to the list", {
  icon: "back", quiet: true, class: "plain back", id: "back",
  on: { click: () => adjust({ session: null, at: null, tab: null, raw: null }) },
});

const fact = (name, value) => (value
  ? h("span", { class: "fact" }, h("span", { class: "quiet" }, `${name} `), h("span", { class: "clip", title: value }, value)) : null);

const stat = (name, value, title, look) => h("div", { title, class: look }, h("dt", {}, name), h("dd", {}, value));
