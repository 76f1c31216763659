// A list of thousands of which only what is seen is in the page.

import { h, isTyping, nextFrame } from "../dom.js";
import { adjust, hrefOfSession } from "../address.js";
import { absolute, ago, compact, counted, tokens } from "../format.js";
import { badge, stateOf } from "../states.js";

const OVERSCAN = 6;
const TIME_MILLISECONDS = 30_000;

/**
 * Show a collection's rows. One row can be focused; the arrow keys, j and k go on from
 * it. A row that has the focus stays in the page, and is never moved in it, whatever
 * comes: to move it would lose the focus.
 */
export class SessionList {
  element = h("div", { class: "list", id: "list" });
  #items = h("ul", { class: "rows", "aria-label": "Sessions by last activity" });
  #shown = new Map();
  #active = null;
  #selected = null;
  #rowHeight = 0;
  #anchor = null;
  #draw = nextFrame(() => this.render());

  constructor(collection) {
    this.collection = collection;
    this.element.append(this.#items);
    this.element.addEventListener("scroll", this.#draw, { passive: true });
    this.element.addEventListener("keydown", (key) => this.#onKey(key));
    this.element.addEventListener("focusin", (focus) => {
      this.#active = focus.target.closest("[data-id]")?.dataset.id ?? this.#active;
      this.#draw();
    });
    new ResizeObserver(() => { this.#rowHeight = 0; this.#draw(); }).observe(this.element);
    setInterval(() => this.#tellTimes(), TIME_MILLISECONDS);
    collection.addEventListener("change", () => this.#onChange());
  }

  /** Say which session is open. */
  select(id) {
    this.#selected = id;
    this.#active ??= id;
    this.#draw();
  }

  /** Focus the row that the keys go on from. */
  focus() {
    const index = Math.max(0, this.collection.indexOf(this.#active ?? this.#selected));
    this.#focusIndex(index);
  }

  /** Go up or down from the active row. */
  step(by) {
    const from = this.collection.indexOf(this.#active ?? this.#selected);
    this.#focusIndex(from < 0 ? 0 : from + by);
  }

  toTop() { this.element.scrollTop = 0; }

  #height() {
    if (!this.#rowHeight) {
      const probe = h("li", { class: "row-place" });
      this.#items.append(probe);
      this.#rowHeight = probe.getBoundingClientRect().height || 68;
      probe.remove();
    }
    return this.#rowHeight;
  }

  // Rows that come above what is seen do not push it away.
  #onChange() {
    const { element } = this;
    // What a person has scrolled since is where they want to be.
    if (element.scrollTop > 4 && this.#anchor?.scrollTop === element.scrollTop) {
      const index = this.collection.indexOf(this.#anchor.id);
      if (index >= 0) {
        const wanted = index * this.#height() + this.#anchor.offset;
        if (Math.abs(wanted - element.scrollTop) >= 1) {
          this.#items.style.height = `${this.collection.length * this.#height()}px`;
          element.scrollTop = wanted;
        }
      }
    }
    this.#draw();
  }

  render() {
    const { collection, element } = this;
    const height = this.#height();
    this.#items.style.height = `${collection.length * height}px`;
    const first = Math.max(0, Math.floor(element.scrollTop / height) - OVERSCAN);
    const last = Math.min(collection.length - 1, Math.ceil((element.scrollTop + element.clientHeight) / height) + OVERSCAN);
    if (last >= collection.rows.length && !collection.isComplete) collection.ensure(last);
    const wanted = [];
    for (let index = first; index <= last; index += 1) wanted.push(index);
    const focused = this.#items.contains(document.activeElement) ? document.activeElement.closest("li") : null;
    const pinned = focused ? collection.indexOf(focused.dataset.id) : -1;
    if (pinned >= 0 && pinned < first) wanted.unshift(pinned);
    if (pinned > last) wanted.push(pinned);

    const nodes = wanted.map((index) => this.#node(index, height));
    const keep = new Set(nodes);
    for (const [key, shown] of this.#shown) {
      if (!keep.has(shown.node)) {
        shown.node.remove();
        this.#shown.delete(key);
      }
    }
    this.#order(nodes, focused);
    this.#markStop(nodes);
    const top = Math.floor(element.scrollTop / height);
    const row = collection.rows[top];
    this.#anchor = row ? { id: row.id, offset: element.scrollTop - top * height, scrollTop: element.scrollTop } : null;
  }

  // The order in the page is that of the list, for who reads it aloud.
  #order(nodes, focused) {
    const middle = nodes.indexOf(focused);
    for (let at = middle - 1, next = focused; at >= 0; next = nodes[at], at -= 1) {
      if (nodes[at].nextSibling !== next) this.#items.insertBefore(nodes[at], next);
    }
    let before = middle < 0 ? null : focused;
    for (const node of nodes.slice(middle + 1)) {
      const place = before ? before.nextSibling : this.#items.firstChild;
      if (place !== node) this.#items.insertBefore(node, place);
      before = node;
    }
  }

  // Tab reaches one row; the keys go on from it.
  #markStop(nodes) {
    const active = this.#active ?? this.#selected;
    const stop = nodes.find((node) => node.dataset.id === active)
      ?? nodes.find((node) => node.dataset.id);
    for (const node of nodes) {
      const link = node.firstElementChild;
      if (link?.tagName === "A") link.tabIndex = node === stop ? 0 : -1;
    }
  }

  #node(index, height) {
    const row = this.collection.rows[index];
    const key = row ? row.id : `#${index}`;
    let shown = this.#shown.get(key);
    if (!shown) {
      shown = { node: h("li", { class: "row-place" }), row: undefined };
      if (row) shown.node.dataset.id = row.id;
      this.#shown.set(key, shown);
    }
    const { node } = shown;
    if (shown.row !== row || !node.firstChild) {
      shown.row = row;
      if (row) fillRow(node, row);
      else node.replaceChildren(h("span", { class: "row ghost" }));
    }
    const link = node.firstElementChild;
    if (row) {
      link.setAttribute("aria-current", String(row.id === this.#selected));
      const href = hrefOfSession(row.id);
      if (link.getAttribute("href") !== href) link.setAttribute("href", href);
    }
    node.style.transform = `translateY(${index * height}px)`;
    node.setAttribute("aria-posinset", index + 1);
    node.setAttribute("aria-setsize", this.collection.isComplete || this.collection.total ? this.collection.length : -1);
    return node;
  }

  #tellTimes() {
    for (const { node, row } of this.#shown.values()) {
      const time = node.querySelector("time");
      if (row && time) time.textContent = ago(time.dateTime);
    }
  }

  #onKey(key) {
    if (key.ctrlKey || key.metaKey || key.altKey || isTyping(key.target)) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#height()) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: page, PageUp: -page }[key.key];
    if (step) this.step(step);
    else if (key.key === "Home") this.#focusIndex(0);
    else if (key.key === "End") this.#focusIndex(this.collection.rows.length - 1);
    else return;
    key.preventDefault();
    key.stopPropagation();
  }

  #focusIndex(wanted) {
    const index = Math.max(0, Math.min(wanted, this.collection.rows.length - 1));
    const row = this.collection.rows[index];
    if (!row) return;
    this.#active = row.id;
    const { element } = this;
    const height = this.#height();
    const top = index * height;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + height > element.scrollTop + element.clientHeight) element.scrollTop = top + height - element.clientHeight;
    if (index > this.collection.rows.length - 20) this.collection.ensure(index + 50);
    this.render();
    this.#shown.get(row.id)?.node.firstElementChild.focus({ preventScroll: true });
    this.render();
  }
}

// A focused link stays the one it is: its contents are exchanged.
function fillRow(place, row) {
  let link = place.firstElementChild;
  if (link?.tagName !== "A") {
    link = h("a", { class: "row", on: { click: (click) => open(click, row.id) } });
    place.replaceChildren(link);
  }
  const time = row.last_activity_at ?? row.updated_at;
  const facts = [row.agent_id, row.user_id].filter(Boolean).join(" · ");
  link.replaceChildren(
    h("span", { class: row.title_is === "id" ? "title mono" : "title", title: row.title }, row.title),
    h("time", { datetime: time, title: absolute(time) }, ago(time)),
    h("span", { class: "facts" }, badge(stateOf(row)), h("span", { class: "clip", title: facts }, facts)),
    h("span", {
      class: "figure quiet",
      title: `${counted(row.latest_sequence, "event")}, ${counted(row.run_count, "run")}, ${tokens(row.tokens)} tokens`,
    }, compact(row.latest_sequence), h("span", { class: "unseen" }, " events")),
  );
}

function open(click, id) {
  if (click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
  click.preventDefault();
  adjust({ view: null, session: id, at: null, tab: null, raw: null });
}
