// The raw event beside its entry; on a small screen a sheet above it.

import { button, h } from "../dom.js";
import { adjust } from "../address.js";
import { absolute, bytes, whole } from "../format.js";
import { isAborted, read } from "../requests.js";
import { jsonTree, parseExactly } from "../json-tree.js";
import { showFailure } from "../sessions/sidebar.js";

const WIDE = matchMedia("(min-width: 75rem)");

export class EventPanel {
  #title = h("h2", { id: "panel-title", tabindex: "-1" });
  #body = h("div", { class: "panel-body" });
  #failure = h("div", { class: "notice", hidden: true });
  #abort = new AbortController();
  #shown = null;
  #asText = button("Show as text", {
    icon: "raw", quiet: true, class: "plain", "aria-pressed": "false",
    on: { click: () => this.#toggleText() },
  });
  element = h("dialog", { class: "event-panel", "aria-labelledby": "panel-title" },
    h("header", { class: "panel-head" }, this.#title,
      button("Previous event", { icon: "up", quiet: true, class: "plain", on: { click: () => this.#go(-1) } }),
      button("Next event", { icon: "down", quiet: true, class: "plain", on: { click: () => this.#go(1) } }),
      this.#asText,
      button("Copy as JSON", { icon: "copy", quiet: true, class: "plain", on: { click: (click) => this.#copy(click.currentTarget) } }),
      button("Close the raw event", { icon: "close", quiet: true, class: "plain", on: { click: () => this.dismiss() } })),
    this.#failure, this.#body);

  /** `closed(sequence)` is called when a person has closed it. */
  constructor(place, closed) {
    this.closed = closed;
    place.append(this.element);
    this.element.addEventListener("cancel", (cancel) => {
      cancel.preventDefault();
      this.dismiss();
    });
    this.element.addEventListener("click", (click) => { if (click.target === this.element) this.dismiss(); });
    WIDE.addEventListener("change", () => {
      if (!this.element.open) return;
      this.element.close();
      this.#open();
    });
  }

  get isOpen() { return this.element.open; }

  async show(sessionId, sequence) {
    if (!this.element.open) this.#open();
    const key = `${sequence} ${sessionId}`;
    if (this.#shown?.key === key) return;
    this.#shown = { key, sequence };
    this.#title.textContent = `Event ${whole(sequence)}`;
    this.#abort.abort();
    this.#abort = new AbortController();
    const read_ = async () => {
      try {
        const { text, entry } = await read("api/event", { session_id: sessionId, sequence }, this.#abort.signal);
        if (this.#shown?.key !== key) return;
        Object.assign(this.#shown, { text, entry });
        showFailure(this.#failure, null);
        this.#fill();
        this.#body.scrollTop = 0;
      } catch (error) {
        if (isAborted(error)) return;
        this.#body.replaceChildren();
        showFailure(this.#failure, error, read_);
      }
    };
    await read_();
  }

  hide() {
    this.#shown = null;
    if (this.element.open) this.element.close();
    document.getElementById("frame").classList.remove("with-panel");
  }

  dismiss() {
    const sequence = this.#shown?.sequence;
    adjust({ raw: null }, { replace: true });
    this.closed(sequence);
  }

  #open() {
    document.getElementById("frame").classList.add("with-panel");
    const back = document.activeElement;
    if (WIDE.matches) {
      this.element.show();
      back?.focus({ preventScroll: true });
    } else {
      this.element.showModal();
      this.#title.focus();
    }
  }

  #fill() {
    const { text, entry } = this.#shown;
    const isText = this.#asText.getAttribute("aria-pressed") === "true";
    this.#body.replaceChildren(...(isText ? [h("pre", { class: "json" }, text)] : contents(parseExactly(text), entry)));
  }

  #go(by) {
    const sequence = this.#shown.sequence + by;
    if (sequence >= 1) adjust({ at: sequence }, { replace: true });
  }

  #toggleText() {
    const isText = this.#asText.getAttribute("aria-pressed") !== "true";
    this.#asText.setAttribute("aria-pressed", String(isText));
    if (this.#shown?.text) this.#fill();
  }

  async #copy(copier) {
    if (!this.#shown?.text) return;
    const label = copier.getAttribute("aria-label");
    try {
      await navigator.clipboard.writeText(this.#shown.text);
      copier.setAttribute("aria-label", "Copied");
    } catch {
      copier.setAttribute("aria-label", "Not copied: the browser forbids it");
    }
    copier.title = copier.getAttribute("aria-label");
    setTimeout(() => {
      copier.setAttribute("aria-label", label);
      copier.title = label;
    }, 2_000);
  }
}

function contents(event, entry) {
  const { data, metadata, ...fields } = event;
  const hasMetadata = Object.keys(metadata ?? {}).length > 0;
  return [
    h("dl", { class: "pairs" }, Object.entries(fields).filter(([, value]) => value !== null).map(([name, value]) => h("div", {},
      h("dt", { class: "mono" }, name),
      h("dd", { class: "mono" }, String(value), name === "timestamp" ? h("div", { class: "quiet small" }, absolute(value)) : null)))),
    h("section", {}, h("h3", {}, "data ", h("span", { class: "quiet small" }, bytes(entry.bytes))), jsonTree(data, { depth: 4 })),
    h("section", {}, h("h3", {}, "metadata"), hasMetadata ? jsonTree(metadata, { depth: 3 }) : h("p", { class: "quiet small" }, "Empty")),
  ];
}
