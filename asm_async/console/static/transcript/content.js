// Texts of any length: code kept as it is, long ones folded, cut ones completed.

import { h } from "../dom.js";
import { bytes, sentence } from "../format.js";
import { jsonText } from "../json-tree.js";

const LONG_CHARACTERS = 1_800;
const LONG_LINES = 28;
const FENCE = /^```([^\n`]*)\n([\s\S]*?)(?:\n```[ \t]*$|$(?![\s\S]))/gm;
const CODE = /`([^`\n]+)`/g;

/** Show a text that may be cut, or the JSON that one holds. */
export function cut(value, key, row, view, { isShort = false, isMarked = true, depth } = {}) {
  const { text, format, more_bytes: more } = value;
  const body = format === "json" && !more
    ? jsonText(text, { depth })
    : format === "json" ? h("pre", { class: "json" }, text)
      : isMarked ? marked(text) : h("div", { class: "text mono" }, text);
  return folded(body, value, key, row, view, isShort);
}

// A long text is folded, and it is said that there is more.
function folded(body, { text, more_bytes: more }, key, row, view, isShort) {
  const limit = isShort ? 3 : 1;
  const isLong = text.length > LONG_CHARACTERS / limit || lines(text) > LONG_LINES / limit;
  if (!isLong && !more) return body;
  const box = h("div", { class: isShort ? "folded brief" : "folded" }, body);
  const isOpen = view.isOpen(key, false);
  const toggle = h("button", { type: "button", class: "more", dataset: { key } });
  const show = (open) => {
    box.classList.toggle("open", open);
    const size = more ? ` (${bytes(more)} more)` : "";
    toggle.textContent = open ? "Show less" : `Show all${size}`;
    toggle.setAttribute("aria-expanded", String(open));
  };
  toggle.addEventListener("click", () => {
    const open = !box.classList.contains("open");
    view.setOpen(key, open, false);
    show(open);
    if (open && more) view.complete(row.sequence, key);
  });
  show(isOpen);
  return [box, toggle];
}

function lines(text) {
  let count = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** Show a text with its lines; what is fenced or between backticks is code. */
export function marked(text) {
  const parts = [];
  let at = 0;
  for (const fence of text.matchAll(FENCE)) {
    parts.push(prose(text.slice(at, fence.index).replace(/\n+$/, "")));
    parts.push(h("pre", { class: "code", tabindex: "0" }, h("code", {}, fence[2])));
    at = fence.index + fence[0].length;
  }
  parts.push(prose(text.slice(at).replace(at ? /^\n+/ : /^$/, "")));
  return h("div", { class: "text" }, parts);
}

function prose(text) {
  if (!text) return null;
  const parts = [];
  let at = 0;
  for (const code of text.matchAll(CODE)) {
    parts.push(text.slice(at, code.index), h("code", {}, code[1]));
    at = code.index + code[0].length;
  }
  parts.push(text.slice(at));
  return h("div", { class: "prose" }, parts);
}

/** Show an error: its code, its message, and what else is known. */
export function failure(error, row, view) {
  if (!error) return null;
  return h("div", { class: "failure" },
    error.code ? h("code", { class: "code-name" }, error.code) : null,
    cut(error.message, `${row.sequence}/error`, row, view, { isMarked: false }),
    error.details ? h("details", { class: "more-details" }, h("summary", {}, "Details"), cut(error.details, `${row.sequence}/details`, row, view)) : null);
}

/** Show the parts of a message or a result. */
export function parts(list, row, view, isShort = false) {
  if (!list.length) return h("p", { class: "quiet small" }, "No content");
  return list.map((part, at) => {
    const key = `${row.sequence}/part${at}`;
    if (part.type === "image") return image(part);
    if (part.type === "text") return cut(part.text, key, row, view, { isShort });
    return h("div", { class: `part ${part.type}` },
      h("span", { class: "part-label" }, part.type === "data" ? part.label : sentence(part.type)),
      cut(part.text, key, row, view, { isShort }));
  });
}

function image(part) {
  const about = [part.media_type ?? "image", part.bytes ? `${Math.ceil(part.bytes / 1_000)} kB` : null].filter(Boolean).join(", ");
  if (part.data_url) return h("figure", { class: "picture" }, h("img", { src: part.data_url, alt: `Image in the message (${about})` }));
  return h("p", { class: "small" }, h("span", { class: "part-label" }, "Image"), ` ${about} `, h("span", { class: "mono" }, part.url ?? ""));
}
