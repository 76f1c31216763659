// Forks and child sessions, from the topmost ancestor down.

import { h } from "../dom.js";
import { hrefOfSession } from "../address.js";
import { absolute, ago, counted } from "../format.js";
import { read } from "../requests.js";
import { badge } from "../states.js";
import { showFailure } from "../sessions/sidebar.js";

const RELATIONS = { root: "", fork: "Fork", child: "Child" };

export class TreeTab {
  #failure = h("div", { class: "notice", hidden: true });
  #place = h("div", {});
  element = h("div", { class: "tree-pane" }, this.#failure, this.#place);

  constructor(sessionId) { this.sessionId = sessionId; }

  async shown() {
    try {
      const { root, is_cut: isCut } = await read("api/tree", { session_id: this.sessionId });
      showFailure(this.#failure, null);
      const tree = h("ul", { class: "tree", role: "tree", "aria-label": "Sessions that belong together" }, item(root));
      tree.addEventListener("keydown", onKey);
      const start = tree.querySelector("[aria-current]") ?? tree.firstElementChild;
      start.tabIndex = 0;
      this.#place.replaceChildren(tree);
      if (!root.children.length) this.#place.append(h("p", { class: "quiet small tree-note" }, "No other session was forked from this one or belongs to it."));
      if (isCut) this.#place.append(h("p", { class: "quiet small tree-note" }, "There are more; these are the first ones."));
    } catch (error) {
      showFailure(this.#failure, error, () => this.shown());
    }
  }
}

function item(node) {
  const hasChildren = node.children.length > 0 || node.more_children > 0;
  const state = node.deleted_at ? "deleted" : node.state === "running" || node.state === "interrupted" ? node.state : node.status;
  return h("li", {
    role: "treeitem", tabindex: "-1", "aria-expanded": hasChildren ? "true" : null,
    "aria-selected": String(node.is_selected), "aria-current": node.is_selected ? "true" : null,
  },
    h("div", { class: "tree-row" },
      hasChildren ? h("span", { class: "fold", "aria-hidden": "true" }) : h("span", { class: "leaf" }),
      h("a", { href: hrefOfSession(node.id, { tab: "tree" }), tabindex: "-1", class: "clip", title: node.title }, node.title),
      node.relation === "root" ? null : h("span", { class: "tag" }, RELATIONS[node.relation]),
      badge(state),
      h("time", { class: "quiet small", datetime: node.created_at, title: absolute(node.created_at) }, ago(node.created_at))),
    hasChildren ? h("ul", { role: "group" }, node.children.map(item),
      node.more_children ? h("li", { role: "none", class: "quiet small tree-note" }, `${counted(node.more_children, "more session")}`) : null) : null);
}

function onKey(key) {
  if (key.ctrlKey || key.metaKey || key.altKey) return;
  const current = key.target.closest('[role="treeitem"]');
  const visible = [...this.querySelectorAll('[role="treeitem"]')].filter((each) => !each.parentElement.closest('[aria-expanded="false"]'));
  const at = visible.indexOf(current);
  const isOpen = current.getAttribute("aria-expanded");
  const moves = {
    ArrowDown: () => visible[at + 1], ArrowUp: () => visible[at - 1], j: () => visible[at + 1], k: () => visible[at - 1],
    Home: () => visible[0], End: () => visible.at(-1),
    ArrowRight: () => (isOpen === "false" ? expand(current, true) : isOpen ? visible[at + 1] : null),
    ArrowLeft: () => (isOpen === "true" ? expand(current, false) : current.parentElement.closest('[role="treeitem"]')),
  };
  if (key.key === "Enter" || key.key === " ") current.querySelector("a").click();
  else if (!moves[key.key]) return;
  key.preventDefault();
  key.stopPropagation();
  const target = moves[key.key]?.();
  if (!target) return;
  for (const each of visible) each.tabIndex = each === target ? 0 : -1;
  target.focus();
}

function expand(current, isOpen) {
  current.setAttribute("aria-expanded", String(isOpen));
  return null;
}

document.addEventListener("click", ({ target }) => {
  const fold = target.closest?.(".fold");
  if (!fold) return;
  const node = fold.closest('[role="treeitem"]');
  expand(node, node.getAttribute("aria-expanded") === "false");
});
