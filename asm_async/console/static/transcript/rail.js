// The scrollbar of a whole log: a place on it is a sequence number.

import { h, nextFrame } from "../dom.js";
import { whole } from "../format.js";

const MOST_MARKS = 400;

/**
 * Show which of a log's entries are seen, and go where one points, drags or steps.
 * Fires `seek`, whose detail is a sequence number.
 */
export class Rail extends EventTarget {
  #thumb = h("span", { class: "rail-thumb" });
  #marks = h("span", { class: "rail-marks" });
  #tip = h("span", { class: "rail-tip figure", "aria-hidden": "true", hidden: true });
  #first = 1;
  #latest = 1;
  #seen = { first: 1, last: 1 };
  #pointed = 1;
  #seek = nextFrame(() => this.dispatchEvent(new CustomEvent("seek", { detail: this.#pointed })));
  element = h("div", {
    class: "rail", role: "scrollbar", tabindex: "0", "aria-orientation": "vertical",
    "aria-label": "Place in the session", "aria-controls": "transcript",
    "aria-valuemin": 1, "aria-valuemax": 1, "aria-valuenow": 1, hidden: true,
  }, this.#marks, this.#thumb, this.#tip);

  constructor() {
    super();
    const { element } = this;
    element.addEventListener("pointerdown", (pointer) => {
      if (pointer.button) return;
      element.setPointerCapture(pointer.pointerId);
      element.classList.add("dragging");
      this.#point(pointer);
    });
    element.addEventListener("pointermove", (pointer) => {
      if (element.hasPointerCapture(pointer.pointerId)) this.#point(pointer);
    });
    element.addEventListener("lostpointercapture", () => {
      element.classList.remove("dragging");
      this.#tip.hidden = true;
    });
    element.addEventListener("keydown", (key) => this.#onKey(key));
  }

  /** Say what is seen of how much. */
  show(first, latest, seen) {
    this.#first = first;
    this.#latest = latest;
    this.#seen = seen;
    const count = Math.max(1, latest - first + 1);
    const size = Math.max(.02, Math.min(1, (seen.last - seen.first + 1) / count));
    const place = seen.last >= latest ? 1 - size : Math.min(1 - size, (seen.first - first) / count);
    this.#thumb.style.top = `${100 * Math.max(0, place)}%`;
    this.#thumb.style.height = `${100 * size}%`;
    const { element } = this;
    element.hidden = size >= 1;
    element.setAttribute("aria-valuemin", first);
    element.setAttribute("aria-valuemax", latest);
    element.setAttribute("aria-valuenow", seen.first);
    element.setAttribute("aria-valuetext", `Events ${whole(seen.first)} to ${whole(seen.last)} of ${whole(latest)}`);
  }

  /** Mark some entries. */
  mark(sequences) {
    const count = Math.max(1, this.#latest - this.#first + 1);
    const places = new Set(sequences.map((each) => Math.round((MOST_MARKS * (each - this.#first)) / count)));
    this.#marks.replaceChildren(...[...places].map((place) => {
      const tick = h("i", {});
      tick.style.top = `${(100 * place) / MOST_MARKS}%`;
      return tick;
    }));
  }

  #point(pointer) {
    const box = this.element.getBoundingClientRect();
    const ratio = Math.max(0, Math.min(1, (pointer.clientY - box.top) / box.height));
    this.#pointed = this.#first + Math.round(ratio * (this.#latest - this.#first));
    this.#tip.hidden = false;
    this.#tip.textContent = whole(this.#pointed);
    this.#tip.style.top = `${100 * ratio}%`;
    this.#seek();
  }

  #onKey(key) {
    const page = Math.max(1, this.#seen.last - this.#seen.first);
    const to = {
      ArrowDown: this.#seen.first + 1, ArrowUp: this.#seen.first - 1,
      PageDown: this.#seen.first + page, PageUp: this.#seen.first - page,
      Home: this.#first, End: this.#latest,
    }[key.key];
    if (to === undefined) return;
    key.preventDefault();
    key.stopPropagation();
    this.#pointed = Math.max(this.#first, Math.min(to, this.#latest));
    this.#seek();
  }
}
