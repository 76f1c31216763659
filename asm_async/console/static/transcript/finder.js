// Find a number, a text or an error in a session.

import { button, h, icon } from "../dom.js";
import { isAborted, read } from "../requests.js";
import { whole } from "../format.js";

const PAGE = 100;
const ENOUGH = 1_000;

/**
 * A field that takes a number or a text, and buttons to go through what was found.
 * Calls `goTo(sequence)`.
 */
export class Finder {
  #field = h("input", {
    class: "field", type: "search", id: "find", autocomplete: "off", spellcheck: "false",
    placeholder: "Find text or number", "aria-label": "Find a text in this session, or go to an event by its number",
  });
  #count = h("span", { class: "small quiet figure", role: "status" });
  #previous = button("Previous found", { icon: "up", quiet: true, class: "plain", hidden: true, on: { click: () => this.step(-1) } });
  #next = button("Next found", { icon: "down", quiet: true, class: "plain", hidden: true, on: { click: () => this.step(1) } });
  #errors = button("Errors", { icon: "interrupted", class: "plain errors", hidden: true, title: "Go through the errors (e)", on: { click: () => this.nextError(1) } });
  #found = [];
  #at = -1;
  #query = null;
  #abort = new AbortController();
  element = h("div", { class: "finder", role: "search", "aria-label": "Find in this session" },
    h("span", { class: "search-field" }, icon("search"), this.#field), this.#count, this.#previous, this.#next, this.#errors);

  constructor(sessionId, goTo) {
    this.sessionId = sessionId;
    this.goTo = goTo;
    this.#field.addEventListener("keydown", (key) => {
      if (key.key === "Enter") {
        key.preventDefault();
        this.#enter(key.shiftKey ? -1 : 1);
      }
    });
    this.#field.addEventListener("input", () => { if (!this.#field.value) this.#clear(); });
  }

  close() { this.#abort.abort(); }

  focus() { this.#field.select(); this.#field.focus(); }

  /** Tell how many errors there are. */
  showErrors(count, isMore) {
    this.#errors.hidden = !count;
    this.#errors.lastElementChild.textContent = `${whole(count)}${isMore ? "+" : ""} ${count === 1 ? "error" : "errors"}`;
  }

  async nextError(by) {
    if (this.#query?.errors !== true) await this.#search({ errors: true, q: "" });
    else this.step(by);
  }

  step(by) {
    if (!this.#found.length) return;
    this.#at = (this.#at + by + this.#found.length) % this.#found.length;
    this.#tell();
    this.goTo(this.#found[this.#at].sequence);
  }

  #enter(by) {
    const text = this.#field.value.trim();
    if (!text) return;
    const number = /^#?(\d[\d,. ]*)$/.exec(text);
    if (number) {
      this.goTo(Number(number[1].replace(/\D/g, "")));
      this.#count.textContent = "";
    } else if (this.#query?.q === text) this.step(by);
    else this.#search({ q: text, errors: false });
  }

  async #search(query) {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#query = query;
    this.#found = [];
    this.#at = -1;
    this.#count.textContent = "Searching …";
    try {
      let after = 0;
      for (;;) {
        const page = await read("api/find", {
          session_id: this.sessionId, q: query.q, errors: query.errors ? "true" : null, after, limit: PAGE,
        }, signal);
        this.#found.push(...page.items);
        if (this.#at < 0 && this.#found.length) this.step(1);
        else this.#tell(page.is_done);
        if (page.is_done || this.#found.length >= ENOUGH) break;
        after = page.searched_to;
      }
      this.#tell(true);
    } catch (error) {
      if (isAborted(error)) return;
      this.#query = null;
      this.#count.textContent = `Not searched: ${error.message}`;
    }
  }

  #tell(isDone = true) {
    const { length } = this.#found;
    this.#previous.hidden = this.#next.hidden = !length;
    if (length) this.#count.textContent = `${this.#at + 1} of ${whole(length)}${isDone && length < ENOUGH ? "" : "+"}`;
    else this.#count.textContent = isDone ? "Not found" : "Searching …";
  }

  #clear() {
    this.#abort.abort();
    this.#query = null;
    this.#found = [];
    this.#count.textContent = "";
    this.#previous.hidden = this.#next.hidden = true;
  }
}
