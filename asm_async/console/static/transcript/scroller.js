// A log of any length of which a few screens are in the page.

import { h, nextFrame } from "../dom.js";
import { isAborted } from "../requests.js";
import { plan } from "./plan.js";
import { fillEntry } from "./entry.js";

const AROUND = 40;
const STEP = 80;
const AHEAD = 1.5;
const BEHIND = 4;
const END_PIXELS = 48;

/**
 * Show the entries around a sequence number, and more where one scrolls to.
 *
 * The page's own scrolling moves within what is shown; its height says nothing of the
 * whole log, which the rail beside it does. What comes or goes above what is seen never
 * moves it. Fires `move` (other entries are seen), `select`, `open` and `failure`.
 */
export class Scroller extends EventTarget {
  element = h("div", { class: "scroller", tabindex: "-1" });
  error = null;
  current = null;
  runs = new Map();
  #list = h("div", { class: "entries" });
  #start = h("p", { class: "edge quiet small" });
  #end = h("p", { class: "edge quiet small" });
  #rows = new Map();
  #low = 1;
  #high = 0;
  #task = 0;
  #isFilling = false;
  #abort = new AbortController();
  #isAtEnd = true;
  #open = new Set();
  #resizes = new ResizeObserver(() => { if (this.#isAtEnd) this.#toBottom(); });

  constructor(log) {
    super();
    this.log = log;
    this.element.append(this.#start, this.#list, this.#end);
    this.element.addEventListener("scroll", nextFrame(() => this.#onScroll()), { passive: true });
    this.element.addEventListener("focusin", (focus) => {
      const row = focus.target.closest?.(".entry");
      if (row) this.#setCurrent(Number(row.dataset.sequence));
    });
    this.#resizes.observe(this.element);
  }

  close() {
    this.#abort.abort();
    this.#resizes.disconnect();
  }

  /** Whether the latest entry is seen, and what comes shall be, too. */
  get isAtEnd() { return this.#isAtEnd; }

  /** The numbers of the first and the last entry that are seen. */
  get seen() {
    const { top, bottom } = this.element.getBoundingClientRect();
    let first = null;
    let last = null;
    for (const row of this.#list.children) {
      const box = row.getBoundingClientRect();
      if (box.bottom <= top + 1) continue;
      if (box.top >= bottom - 1) break;
      first ??= Number(row.dataset.sequence);
      last = Number(row.dataset.sequence);
    }
    if (last !== null && this.#isAtEnd) last = this.log.latest;
    return { first: first ?? this.#low, last: last ?? this.#high };
  }

  /** Go to an entry: at once if it was read, else as soon as it is. */
  async show(sequence, { align = "center", focus = false, mark = false } = {}) {
    const { log } = this;
    const wanted = Math.max(log.first, Math.min(sequence, log.latest));
    const task = ++this.#task;
    this.#abort.abort();
    this.#abort = new AbortController();
    const low = Math.max(log.first, wanted - AROUND);
    const high = Math.min(log.latest, wanted + AROUND);
    const isRead = await this.#attempt(() => log.load(low, high, this.#abort.signal));
    if (task !== this.#task || !isRead) return;
    if (high < this.#low || low > this.#high) [this.#low, this.#high] = [low, high];
    else [this.#low, this.#high] = [Math.min(low, this.#low), Math.max(high, this.#high)];
    this.#layout();
    const row = this.rowOf(wanted);
    if (mark) this.#setCurrent(wanted);
    if (align === "end" || (wanted === log.latest && align !== "start")) this.#toBottom();
    else if (row) this.#place(row, align);
    this.#isAtEnd = this.#measureEnd();
    if (focus) row?.focus({ preventScroll: true });
    this.#trim();
    this.#moved();
    await this.#fill();
  }

  /** Go to the latest entry, and stay there. */
  async showLatest(options = {}) {
    await this.show(this.log.latest, { ...options, align: "end" });
  }

  /** Show what the log was told meanwhile. */
  async arrived() {
    const wasAtEnd = this.#isAtEnd;
    if (wasAtEnd && this.log.latest - this.#high > STEP) await this.showLatest();
    else if (wasAtEnd) {
      await this.#attempt(() => this.log.load(this.#high + 1, this.log.latest, this.#abort.signal));
      this.#high = this.log.latest;
      this.#keepPlace(() => this.#layout());
      this.#toBottom();
      this.#trim();
      this.#moved();
    } else {
      this.#keepPlace(() => this.#layout());
      this.#moved();
      await this.#fill();
    }
  }

  /** Show again what is known to have changed. */
  redraw() {
    this.#keepPlace(() => this.#layout());
    if (this.#isAtEnd) this.#toBottom();
  }

  /** Read on after something failed. */
  async retry() {
    this.error = null;
    if (this.#high < this.#low) await this.show(this.current ?? this.log.latest);
    else await this.#fill();
  }

  /** The row in which an entry is shown: its own, or the one that it is part of. */
  rowOf(sequence) {
    if (this.#rows.has(sequence)) return this.#rows.get(sequence).element;
    let best = null;
    const entry = this.log.get(sequence);
    const host = entry?.kind === "tool_result" ? this.log.hostOf(entry) : null;
    if (host && this.#rows.has(host.sequence)) return this.#rows.get(host.sequence).element;
    for (const [number, row] of this.#rows) if (number <= sequence && (best === null || number > best[0])) best = [number, row];
    return best?.[1].element ?? null;
  }

  /** Focus the next entry or the one before. */
  async step(by) {
    const rows = [...this.#list.children];
    const seen = this.seen.first;
    const from = this.current === null ? null : this.rowOf(this.current);
    const at = rows.indexOf(from);
    const row = at < 0 ? this.rowOf(seen) : rows[at + by];
    if (!row) return;
    row.focus({ preventScroll: true });
    const box = row.getBoundingClientRect();
    const view = this.element.getBoundingClientRect();
    if (box.top < view.top + 8 || box.height > view.height) this.element.scrollTop += box.top - view.top - 12;
    else if (box.bottom > view.bottom - 8) this.element.scrollTop += box.bottom - view.bottom + 12;
  }

  /** Focus the entry that the keys go on from. */
  focus() { (this.rowOf(this.current ?? this.seen.first) ?? this.element).focus({ preventScroll: true }); }

  /** Ask for the raw event of an entry. */
  open(sequence) { this.dispatchEvent(new CustomEvent("open", { detail: sequence })); }

  /** Read what is cut of an entry, and show it. */
  async complete(sequence) {
    if (await this.#attempt(() => this.log.loadWhole(sequence))) this.redraw();
  }

  // Whether a thing of an entry is unfolded outlives the row that shows it.
  isOpen(key, usual) { return this.#open.has(key) ? !usual : usual; }

  setOpen(key, isOpen, usual) {
    if (isOpen === usual) this.#open.delete(key);
    else this.#open.add(key);
  }

  #setCurrent(sequence) {
    const row = this.rowOf(sequence);
    for (const other of this.#list.querySelectorAll('[aria-current="true"]')) if (other !== row) other.removeAttribute("aria-current");
    row?.setAttribute("aria-current", "true");
    const isOther = this.current !== sequence;
    this.current = sequence;
    this.#markStop();
    if (isOther) this.dispatchEvent(new Event("select"));
  }

  #markStop() {
    const stop = this.current === null ? null : this.rowOf(this.current);
    const target = stop ?? this.#list.firstElementChild;
    for (const row of this.#list.children) row.tabIndex = row === target ? 0 : -1;
  }

  #layout() {
    const { log } = this;
    this.element.style.setProperty("--digits", String(log.latest).length);
    const rows = plan(log, this.#low, this.#high, this);
    const kept = new Map();
    let place = this.#list.firstChild;
    for (const row of rows) {
      let shown = this.#rows.get(row.sequence);
      if (!shown) {
        shown = { element: h("article", { class: "entry", tabindex: "-1", dataset: { sequence: row.sequence } }) };
      }
      if (shown.signature !== row.signature) {
        fillEntry(shown.element, row, this);
        shown.signature = row.signature;
      }
      shown.element.setAttribute("aria-posinset", row.sequence);
      shown.element.setAttribute("aria-setsize", log.latest);
      kept.set(row.sequence, shown);
      // What leaves is taken out first, so that a row that stays is never moved.
      while (place && place !== shown.element && !rows.numbers.has(Number(place.dataset.sequence))) {
        const next = place.nextSibling;
        place.remove();
        place = next;
      }
      if (place === shown.element) place = place.nextSibling;
      else this.#list.insertBefore(shown.element, place);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    this.#rows = kept;
    // A feed without articles would be none.
    for (const [name, value] of [["role", "feed"], ["aria-label", "Events"]]) {
      if (rows.length) this.#list.setAttribute(name, value);
      else this.#list.removeAttribute(name);
    }
    this.#start.textContent = this.#low > log.first ? "Loading …"
      : log.first > 1 ? `Events 1 to ${log.first - 1} were pruned` : log.isEmpty ? "Nothing was recorded yet" : "Beginning of the session";
    const isRunning = [...this.runs.values()].some((run) => run.state === "running");
    this.#end.textContent = this.#high < log.latest ? "Loading …" : isRunning ? "A run is in progress" : "";
    this.#end.classList.toggle("in-progress", isRunning && this.#high >= log.latest);
    this.#markStop();
  }

  // The first rows that are seen stay where they are, whatever work does above them.
  #keepPlace(work) {
    const { top } = this.element.getBoundingClientRect();
    const anchors = [];
    for (const row of this.#list.children) {
      const box = row.getBoundingClientRect();
      if (box.bottom > top) anchors.push([row, box.top]);
      if (anchors.length === 6) break;
    }
    work();
    for (const [row, before] of anchors) {
      if (!row.isConnected) continue;
      const moved = row.getBoundingClientRect().top - before;
      if (moved) this.element.scrollTop += moved;
      return;
    }
  }

  async #fill() {
    if (this.#isFilling) return;
    this.#isFilling = true;
    const { element, log } = this;
    try {
      for (;;) {
        const ahead = AHEAD * element.clientHeight;
        let [low, high] = [this.#low, this.#high];
        if (element.scrollTop < ahead && low > log.first) low = Math.max(log.first, low - STEP);
        else if (element.scrollHeight - element.scrollTop - element.clientHeight < ahead && high < log.latest) high = Math.min(log.latest, high + STEP);
        else break;
        const task = this.#task;
        const isRead = await this.#attempt(async () => {
          await log.load(low, Math.min(high, this.#low), this.#abort.signal);
          await log.load(Math.max(low, this.#high), high, this.#abort.signal);
        });
        if (task !== this.#task) continue;
        if (!isRead) break;
        this.#keepPlace(() => {
          [this.#low, this.#high] = [low, high];
          this.#layout();
        });
        this.#trim();
      }
    } finally {
      this.#isFilling = false;
    }
    // Only a person's scrolling leaves the end, not a head that has grown meanwhile.
    this.#isAtEnd ||= this.#measureEnd();
    this.#moved();
  }

  // Rows that are several screens away leave the page.
  #trim() {
    const { element } = this;
    const view = element.getBoundingClientRect();
    const far = BEHIND * element.clientHeight;
    const near = [...this.#list.children].filter((row) => {
      const box = row.getBoundingClientRect();
      return box.bottom > view.top - far && box.top < view.bottom + far;
    });
    if (!near.length || near.length === this.#list.childElementCount) return;
    const rows = [...this.#list.children];
    const after = rows[rows.indexOf(near.at(-1)) + 1];
    this.#keepPlace(() => {
      if (near[0] !== rows[0]) this.#low = Number(near[0].dataset.sequence);
      if (after) this.#high = Number(after.dataset.sequence) - 1;
      this.#layout();
    });
    this.log.forget(this.#low, this.#high);
  }

  async #attempt(work) {
    this.element.setAttribute("aria-busy", "true");
    try {
      await work();
      this.error = null;
      return true;
    } catch (error) {
      if (!isAborted(error)) {
        this.error = error;
        this.dispatchEvent(new Event("failure"));
      }
      return false;
    } finally {
      this.element.setAttribute("aria-busy", "false");
    }
  }

  #place(row, align) {
    const box = row.getBoundingClientRect();
    const view = this.element.getBoundingClientRect();
    const room = align === "start" ? 8 : Math.max(8, (view.height - box.height) / 3);
    this.element.scrollTop += box.top - view.top - room;
  }

  #toBottom() {
    this.element.scrollTop = this.element.scrollHeight;
    this.#isAtEnd = this.#high >= this.log.latest;
  }

  #measureEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return this.#high >= this.log.latest && scrollHeight - scrollTop - clientHeight < END_PIXELS;
  }

  #onScroll() {
    this.#isAtEnd = this.#measureEnd();
    this.#moved();
    this.#fill();
  }

  #moved() { this.dispatchEvent(new Event("move")); }
}
