// JSON as a tree that folds.

import { h } from "./dom.js";

const SHORT = 60;
const OPEN_DEPTH = 2;
const STEP = 200;

/** Show a value; an object or a list that is short stands on one line. */
export function jsonTree(value, { depth = OPEN_DEPTH } = {}) {
  return h("div", { class: "json" }, node(null, value, depth, true));
}

/** Show the text of some JSON: as a tree, or, where it is cut, as it is. */
export function jsonText(text, options) {
  try {
    return jsonTree(parseExactly(text), options);
  } catch {
    return h("pre", { class: "json" }, text);
  }
}

/** A number that JavaScript has no equal of: its digits, as they are stored. */
class Digits {
  constructor(text) { this.text = text; }

  toString() { return this.text; }

  toJSON() { return this.text; }
}

/** Parse JSON without a loss: a number of many digits keeps them. */
export function parseExactly(text) {
  return JSON.parse(text, (_name, value, context) =>
    (typeof value === "number" && context?.source !== undefined && String(value) !== context.source ? new Digits(context.source) : value));
}

const isScalar = (value) => value === null || typeof value !== "object" || value instanceof Digits;

function node(name, value, depth, isLast) {
  const comma = isLast ? "" : ",";
  const label = name === null ? [] : [h("span", { class: "json-key" }, JSON.stringify(name)), ": "];
  if (isScalar(value)) return h("div", { class: "json-line" }, label, scalar(value), comma);
  const isList = Array.isArray(value);
  const [open, close] = isList ? "[]" : "{}";
  const size = isList ? value.length : Object.keys(value).length;
  const brief = short(value);
  if (!size || brief !== null) return h("div", { class: "json-line" }, label, brief === null ? open + close : brief, comma);

  const inside = h("div", { class: "json-inside" });
  let isFilled = false;
  const details = h("details", { class: "json-node" },
    h("summary", {}, label, open, h("span", { class: "json-size" }, ` ${size} ${noun(isList, size)} ${close}${comma}`)),
    inside, h("div", { class: "json-line" }, close, comma));
  const fill = () => {
    if (!details.open || isFilled) return;
    isFilled = true;
    fillFrom(inside, isList ? value.map((each) => [null, each]) : Object.entries(value), 0, depth - 1);
  };
  details.addEventListener("toggle", fill);
  details.open = depth > 0;
  fill();
  return details;
}

const noun = (isList, size) => (isList ? (size === 1 ? "item" : "items") : size === 1 ? "member" : "members");

function fillFrom(place, members, from, depth) {
  const to = Math.min(from + STEP, members.length);
  for (let at = from; at < to; at += 1) place.append(node(...members[at], depth, at === members.length - 1));
  if (to === members.length) return;
  const more = h("button", { type: "button", class: "more" }, `${members.length - to} more`);
  more.addEventListener("click", () => {
    more.remove();
    fillFrom(place, members, to, depth);
  });
  place.append(more);
}

function scalar(value) {
  if (typeof value === "string") return h("span", { class: "json-text" }, JSON.stringify(value));
  return h("span", { class: "json-word" }, String(value));
}

// A value on one line, coloured; null where it is not short.
function short(value) {
  const text = JSON.stringify(value);
  if (text.length > SHORT) return null;
  const isList = Array.isArray(value);
  const members = Object.entries(value).map(([name, each], at) => {
    const inner = isScalar(each) ? scalar(each) : short(each);
    return [at ? ", " : "", isList ? null : [h("span", { class: "json-key" }, JSON.stringify(name)), ": "], inner];
  });
  return isList ? ["[", members, "]"] : ["{ ", members, " }"];
}
