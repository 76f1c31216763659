// The list's search, filters and counts.

import { button, h, icon, later } from "../dom.js";
import { adjust, filtersOf, selection } from "../address.js";
import { whole } from "../format.js";
import { Unreachable } from "../requests.js";
import { SessionCollection } from "./collection.js";
import { SessionList } from "./list.js";
import { SaidList } from "./said.js";

const FIELDS = [
  ["agent", "Agent", "text"],
  ["user", "User", "text"],
  ["tenant", "Tenant", "text"],
  ["tag", "Tag", "text"],
  ["since", "Created from", "date"],
  ["until", "Created before", "date"],
];
const SEARCH_MILLISECONDS = 250;

/** Build the list of sessions into its landmark. */
export function sidebar(place, about) {
  const collection = new SessionCollection();
  const list = new SessionList(collection);
  const said = new SaidList();
  const fields = FIELDS.filter(([name]) => name !== "tenant" || about.is_operator);

  const search = h("input", {
    class: "field", type: "search", id: "search", placeholder: "Search sessions",
    "aria-label": "Search sessions by title, id, agent, user or tag, and what was said",
    autocomplete: "off", spellcheck: "false",
  });
  const count = h("p", { class: "quiet small", role: "status" });
  const filters = filterForm(fields, about.session_statuses);
  const opener = button("Filters", {
    icon: "filter", quiet: true, "aria-expanded": "false", "aria-controls": "filters",
  });
  const active = h("ul", { class: "chips", "aria-label": "Filters in use" });
  const failure = h("div", { class: "notice", hidden: true });
  const nothing = h("div", { class: "empty", hidden: true });

  place.append(
    h("div", { class: "sidebar-head" },
      h("div", { class: "search-line" }, h("span", { class: "search-field" }, icon("search"), search), opener),
      filters.element, active, count),
    failure, nothing, list.element, said.element);

  opener.addEventListener("click", () => {
    const isOpen = filters.element.toggleAttribute("hidden") === false;
    opener.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) filters.element.querySelector("input, select").focus();
  });
  const searchSoon = later(SEARCH_MILLISECONDS, () => adjust({ q: search.value.trim() }, { replace: true }));
  search.addEventListener("input", searchSoon);
  search.addEventListener("keydown", (key) => {
    if (key.key === "ArrowDown" || key.key === "Enter") {
      key.preventDefault();
      list.focus();
    }
  });

  let current = null;
  let isMarked = false;
  /** Show what the address says. */
  function show() {
    const chosen = selection();
    const wanted = filtersOf(chosen);
    const key = JSON.stringify(wanted);
    list.select(chosen.session ?? null);
    if (key === current) return;
    current = key;
    if (document.activeElement !== search) search.value = wanted.q ?? "";
    filters.show(wanted);
    showChips(active, wanted);
    list.toTop();
    collection.open(wanted);
    said.open(wanted);
  }

  collection.addEventListener("change", () => {
    const { error, isComplete, isLoading, length, rows, total } = collection;
    const isSearch = Boolean(selection().q);
    const text = isSearch ? foundText(rows.length, isComplete) : countText(length, total, isComplete);
    if (count.textContent !== text) count.textContent = text;
    showFailure(failure, error, () => collection.retry());
    nothing.hidden = Boolean(rows.length || isLoading || error);
    if (!nothing.hidden) showNothing(nothing, wantedAny());
    list.element.setAttribute("aria-busy", String(isLoading));
    if (rows.length && !isMarked) {
      isMarked = true;
      requestAnimationFrame(() => performance.mark("asm-first-list"));
    }
  });
  const wantedAny = () => Object.keys(filtersOf(selection())).length > 0;

  return { collection, list, search, show };
}

function countText(length, total, isComplete) {
  if (!isComplete && total === null) return length ? "" : "Loading …";
  return `${whole(length)} ${length === 1 ? "session" : "sessions"}`;
}

function foundText(found, isComplete) {
  return isComplete ? `${whole(found)} found` : `${whole(found)} found so far`;
}

/** Say that something was not read, and offer to try again. */
export function showFailure(place, error, again) {
  place.hidden = !error;
  if (!error) {
    place.replaceChildren();
    return;
  }
  place.replaceChildren(
    // An outage is told once, for the whole page.
    h("span", { role: error instanceof Unreachable ? null : "alert" }, `Not loaded: ${error.message}`),
    button("Try again", { icon: "retry", on: { click: again } }));
}

function showNothing(place, isFiltered) {
  place.replaceChildren(
    h("p", {}, isFiltered ? "No session matches." : "There are no sessions yet."),
    isFiltered
      ? button("Clear search and filters", { on: { click: clear } })
      : h("p", { class: "small" }, "What your agents record appears here by itself."));
}

function clear() {
  const { session, at, tab, raw, view } = selection();
  document.getElementById("search").value = "";
  adjust({ ...Object.fromEntries(Object.keys(filtersOf(selection())).map((name) => [name, null])), session, at, tab, raw, view });
}

function filterForm(fields, statuses) {
  const inputs = new Map();
  const status = h("fieldset", { class: "statuses" }, h("legend", {}, "Status"),
    statuses.map((each) => h("label", {}, h("input", { type: "checkbox", value: each, name: "status" }), ` ${each}`)));
  const deleted = h("input", { type: "checkbox", name: "deleted" });
  const element = h("form", { class: "filters", id: "filters", "aria-label": "Filters", hidden: true }, status,
    fields.map(([name, label, type]) => {
      const input = h("input", { class: "field", type, name, autocomplete: "off" });
      inputs.set(name, input);
      return h("label", {}, label, input);
    }),
    h("label", { class: "check" }, deleted, " Deleted ones too"));
  element.addEventListener("submit", (submit) => submit.preventDefault());
  element.addEventListener("change", () => {
    const changes = {
      status: [...status.querySelectorAll(":checked")].map((box) => box.value),
      deleted: deleted.checked ? "1" : null,
    };
    for (const [name, input] of inputs) {
      const value = input.value.trim();
      changes[name] = name === "tag" && value ? value.split(/\s*,\s*/) : value;
    }
    adjust(changes);
  });
  return {
    element,
    show(wanted) {
      for (const box of status.querySelectorAll("input")) box.checked = (wanted.status ?? []).includes(box.value);
      deleted.checked = Boolean(wanted.deleted);
      for (const [name, input] of inputs) input.value = [wanted[name] ?? ""].flat().join(", ");
    },
  };
}

function showChips(place, wanted) {
  const chips = [];
  for (const [name, value] of Object.entries(wanted)) {
    if (name === "q") continue;
    for (const each of [value].flat()) {
      const text = name === "deleted" ? "deleted ones too" : `${name}: ${each}`;
      const rest = Array.isArray(value) ? value.filter((other) => other !== each) : null;
      chips.push(h("li", {}, h("button", {
        type: "button", class: "chip", "aria-label": `Remove the filter ${text}`,
        on: { click: () => adjust({ [name]: rest }) },
      }, text, icon("close"))));
    }
  }
  place.replaceChildren(...chips);
  place.hidden = !chips.length;
}
