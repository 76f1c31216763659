// The transcript with its finder, its rail and what tells of news.

import { announce, button, h, later } from "../dom.js";
import { adjust, selection } from "../address.js";
import { counted } from "../format.js";
import { read, isAborted } from "../requests.js";
import { showFailure } from "../sessions/sidebar.js";
import { spoken } from "./entry.js";
import { Finder } from "./finder.js";
import { EntryLog } from "./log.js";
import { Rail } from "./rail.js";
import { Scroller } from "./scroller.js";

const FIRST_ENTRIES = 60;
const ERRORS = 200;
const MOST_ERRORS = 1_000;
const SPEAK_MILLISECONDS = 1_000;

export class TranscriptPane {
  #rail = new Rail();
  #failure = h("div", { class: "notice", hidden: true });
  #latest = button("Latest", { icon: "latest", class: "latest", title: "Jump to the latest (End)", on: { click: () => this.toLatest() } });
  #heard = [];
  #news = 0;
  #abort = new AbortController();
  #markErrors = later(1_500, () => this.#readErrors());
  #remember = later(300, () => this.#noteSelection());
  #speak = later(SPEAK_MILLISECONDS, () => this.#say());
  #isPlaced = false;
  #hasOpened = false;

  constructor(sessionId, { openRaw }) {
    this.log = new EntryLog(sessionId);
    this.scroller = new Scroller(this.log);
    this.finder = new Finder(sessionId, (sequence) => this.goTo(sequence));
    const body = h("div", { class: "transcript", id: "transcript" }, this.scroller.element, this.#rail.element, this.#latest);
    this.element = h("div", { class: "pane" }, h("div", { class: "toolbar" }, this.finder.element), this.#failure, body);
    this.#latest.hidden = true;

    this.scroller.addEventListener("move", () => this.#onMove());
    this.scroller.addEventListener("select", () => this.#remember());
    this.scroller.addEventListener("open", ({ detail }) => openRaw(detail));
    this.scroller.addEventListener("failure", () => this.#showFailure());
    this.#rail.addEventListener("seek", ({ detail }) => this.scroller.show(detail, { align: detail >= this.log.latest ? "end" : "start" }));
  }

  /** Show the entry that the address names, or the latest one. */
  async open(at) {
    this.#hasOpened = true;
    try {
      if (at) {
        await this.log.load(Math.max(1, at - 30), at + 30, this.#abort.signal);
        await this.scroller.show(at, { mark: true });
      } else {
        await this.log.loadLast(FIRST_ENTRIES, this.#abort.signal);
        await this.scroller.showLatest();
      }
      this.scroller.error = null;
      this.#isPlaced = true;
      requestAnimationFrame(() => performance.mark("asm-transcript"));
      this.#readErrors();
    } catch (error) {
      if (isAborted(error)) return;
      this.scroller.error = error;
    }
    this.#showFailure();
  }

  get isOpen() { return this.#hasOpened; }

  async retry() {
    if (!this.#isPlaced) await this.open(Number(selection().at) || null);
    else await this.scroller.retry();
    this.#showFailure();
  }

  close() {
    this.#abort.abort();
    this.#speak.cancel();
    this.#remember.cancel();
    this.#markErrors.cancel();
    this.scroller.close();
    this.finder.close();
  }

  goTo(sequence, { focus = false } = {}) {
    return this.scroller.show(sequence, { mark: true, focus });
  }

  async toLatest() {
    await this.scroller.showLatest({ focus: false });
    this.scroller.element.focus({ preventScroll: true });
  }

  /** Take what the stream tells. */
  async heard({ items, latest_sequence: latest, retracted }) {
    const before = this.log.latest;
    this.log.bounds({ latest_sequence: latest, retracted });
    if (items.length && items[0].sequence <= before + 1) this.log.add(items);
    if (!this.#isPlaced) return;
    const isNew = this.log.latest > before;
    const wasAtEnd = this.scroller.isAtEnd;
    if (isNew) {
      this.#news = wasAtEnd ? 0 : this.#news + this.log.latest - before;
      if (wasAtEnd) this.#heard.push(...items.filter((item) => item.sequence > before));
      this.#speak();
    }
    await this.scroller.arrived();
    this.#onMove();
    if (items.some((item) => item.error || item.tool?.is_error)) this.#markErrors();
  }

  /** Know the runs better, for what is told at their ends. */
  knowRuns(runs) {
    for (const run of runs) this.scroller.runs.set(run.id, run);
    if (this.#isPlaced) this.scroller.redraw();
  }

  #onMove() {
    const { log, scroller } = this;
    const { seen } = scroller;
    this.#rail.show(log.first, log.latest, seen);
    if (scroller.isAtEnd) this.#news = 0;
    this.#latest.hidden = scroller.isAtEnd || log.isEmpty;
    const text = this.#news ? `${counted(this.#news, "new event")}` : "Latest";
    if (this.#latest.lastElementChild.textContent !== text) this.#latest.lastElementChild.textContent = text;
  }

  #showFailure() { showFailure(this.#failure, this.scroller.error, () => this.retry()); }

  #noteSelection() {
    const at = this.scroller.current;
    if (at !== null && String(at) !== selection().at) adjust({ at }, { replace: true });
  }

  // New entries are said politely, and not one by one where there are many.
  #say() {
    const texts = this.#heard.map(spoken).filter(Boolean);
    this.#heard = [];
    if (texts.length > 3) announce(`${texts.length} new events. ${texts.at(-1)}`);
    else if (texts.length) announce(texts.join(". "));
  }

  async #readErrors() {
    const found = [];
    try {
      for (let after = 0, isDone = false; !isDone && found.length < MOST_ERRORS;) {
        const page = await read("api/find", { session_id: this.log.sessionId, q: "", errors: "true", limit: ERRORS, after }, this.#abort.signal);
        found.push(...page.items.map((item) => item.sequence));
        [after, isDone] = [page.searched_to, page.is_done];
        this.#rail.mark(found);
        this.finder.showErrors(found.length, !isDone);
      }
    } catch (error) {
      // Marks on the rail are a help that the transcript does without.
      if (!isAborted(error)) console.debug(error);
    }
  }
}
