// What can be done with a session: take it along, and, where it is allowed, change it.

import { announce, button, h, icon } from "../dom.js";
import { addressOf, write } from "../requests.js";
import { ask } from "../dialogs.js";

/** Make the menus of a session; `changed(row)` is told what it has become. */
export function actions(row, about, changed) {
  const file = (format) => addressOf("api/export", { session_id: row.id, format }).href;
  const exports = menu("export", "Export", "download", [
    h("a", { href: file("html"), download: "" }, h("b", {}, "Page"), h("span", { class: "quiet" }, "One HTML file, to send to somebody")),
    h("a", { href: file("json"), download: "" }, h("b", {}, "JSON"), h("span", { class: "quiet" }, "All that is stored of it")),
  ]);
  if (about.read_only) return h("div", { class: "menus" }, exports);
  const change = (path, body) => write(`api/session/${path}`, { session_id: row.id }, body).then((changedRow) => {
    changed(changedRow);
    announce("Saved");
  });
  const item = (label, work) => h("button", { type: "button", on: { click: (click) => { click.target.closest("details").open = false; work(); } } }, label);
  return h("div", { class: "menus" }, exports, menu("edit", "Edit", "edit", [
    item("Rename …", () => rename(row, change)),
    item("Tags …", () => retag(row, change)),
    row.deleted_at ? item("Restore …", () => restore(row, change)) : item("Delete …", () => remove(row, change)),
  ]));
}

function menu(id, label, mark, items) {
  const details = h("details", { class: "menu", id: `menu-${id}` },
    h("summary", { class: "button", id: `summary-${id}` }, icon(mark), h("span", {}, label)),
    h("ul", {}, items.map((each) => h("li", {}, each))));
  details.addEventListener("keydown", (key) => {
    if (key.key !== "Escape" || !details.open) return;
    key.stopPropagation();
    details.open = false;
    details.firstElementChild.focus();
  });
  details.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !details.contains(relatedTarget)) details.open = false;
  });
  return details;
}

function rename(row, change) {
  const title = h("input", { class: "field", maxlength: "200", name: "title", props: { value: row.title_is === "given" ? row.title : "" } });
  ask({
    title: "Rename the session",
    body: h("label", {}, "Title", title, h("span", { class: "quiet small" }, "Empty: the beginning of its first message")),
    confirm: "Rename",
    work: () => change("rename", { title: title.value.trim() || null }),
  });
}

function retag(row, change) {
  const input = h("input", { class: "field", name: "tags", props: { value: row.tags.join(", ") } });
  ask({
    title: "Tags of the session",
    body: h("label", {}, "Tags, with commas between them", input),
    confirm: "Save",
    work: () => {
      const wanted = new Set(input.value.split(",").map((tag) => tag.trim()).filter(Boolean));
      const had = new Set(row.tags);
      return change("tags", { add: [...wanted].filter((tag) => !had.has(tag)), remove: [...had].filter((tag) => !wanted.has(tag)) });
    },
  });
}

function remove(row, change) {
  ask({
    title: "Delete this session?",
    body: h("p", {}, h("b", {}, row.title), " leaves the list and takes no more events. Nothing is removed: it can be restored until a retention policy removes it."),
    confirm: "Delete", isDangerous: true,
    work: () => change("delete", {}),
  });
}

function restore(row, change) {
  ask({
    title: "Restore this session?",
    body: h("p", {}, h("b", {}, row.title), " comes back into the list."),
    confirm: "Restore",
    work: () => change("restore", {}),
  });
}
