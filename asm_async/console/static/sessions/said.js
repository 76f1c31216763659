// What was said in all sessions, beside the list of those that are named so.

import { button, h } from "../dom.js";
import { hrefOfSession } from "../address.js";
import { absolute, ago } from "../format.js";
import { isAborted, read } from "../requests.js";

const PAGE = 20;

/** Shows what the index of texts finds for a search; nothing without one. */
export class SaidList {
  element = h("section", { class: "said", "aria-label": "Found in conversations", hidden: true });
  #heading = h("h2", { class: "small quiet" });
  #items = h("ol");
  #more = button("More", { quiet: true, on: { click: () => this.#load() } });
  #abort = new AbortController();
  #parameters = null;
  #cursor = null;
  #count = 0;

  constructor() {
    this.element.append(this.#heading, this.#items, this.#more);
  }

  /** Search anew; without a query nothing is shown. */
  open({ q, agent, user, tenant }) {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#cursor = null;
    this.#count = 0;
    this.#parameters = q ? { q, agent_id: agent, user_id: user, tenant_id: tenant } : null;
    this.#items.replaceChildren();
    this.element.hidden = true;
    if (q) this.#load();
  }

  async #load() {
    const { signal } = this.#abort;
    try {
      const page = await read("api/texts", { ...this.#parameters, limit: PAGE, cursor: this.#cursor }, signal);
      this.#items.append(...page.items.map(item));
      this.#cursor = page.cursor;
      this.#count += page.items.length;
      this.#heading.textContent = `${this.#count}${page.cursor ? "+" : ""} found in conversations`;
      this.#more.hidden = page.cursor === null;
      this.element.hidden = this.#count === 0;
    } catch (error) {
      // The list of sessions tells of an outage.
      if (!isAborted(error)) this.element.hidden = this.#count === 0;
    }
  }
}

function item(found) {
  const at = found.sequence ? { at: found.sequence } : {};
  return h("li", {}, h("a", { class: "said-item", href: hrefOfSession(found.session_id, at) },
    h("span", { class: "title", title: found.title }, found.title),
    h("time", { datetime: found.time, title: absolute(found.time) }, ago(found.time)),
    h("span", { class: "said-text" }, found.speaker ? `${found.speaker}: ` : null, marked(found))));
}

function marked({ text, marks }) {
  // Places count code points, as Python does; a string of JavaScript counts UTF-16.
  const points = Array.from(text);
  const pieces = [];
  let place = 0;
  for (const [begin, end] of marks) {
    pieces.push(points.slice(place, begin).join(""), h("mark", {}, points.slice(begin, end).join("")));
    place = end;
  }
  pieces.push(points.slice(place).join(""));
  return pieces;
}
