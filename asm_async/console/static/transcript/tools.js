// A call of a tool with its result, folded into one line until somebody looks.

import { h, icon } from "../dom.js";
import { clock, duration, whole } from "../format.js";
import { badge } from "../states.js";
import { cut, failure, parts } from "./content.js";

const HINT = 120;

/** Shape the row of a call, or of a result that stands by itself. */
export function toolRow(row, view) {
  const { entry } = row;
  const isCall = entry.kind === "tool_call";
  const result = isCall ? row.result : entry;
  const { name } = entry.tool;
  const key = `${row.sequence}/tool`;
  const isFailed = result?.tool.is_error ?? false;
  const usual = isFailed;
  const inside = h("div", { class: "tool-inside" });
  const took = result?.tool.duration_ms;
  const fold = (marks, meta) => {
    const details = h("details", { class: "tool-details" },
      h("summary", { dataset: { key } },
        icon("tool"), h("code", { class: "tool-name" }, name), isCall ? null : h("span", { class: "quiet small" }, "result"),
        h("span", { class: "hint mono" }, hint(isCall ? entry : result)),
        marks, state(result, isCall), meta),
      inside);
    const fill = () => {
      if (details.open && !inside.firstChild) inside.append(...contents(row, result, isCall, view));
    };
    details.open = view.isOpen(key, usual);
    fill();
    details.addEventListener("toggle", () => {
      view.setOpen(key, details.open, usual);
      fill();
    });
    return details;
  };
  return {
    look: isFailed ? "tool failed" : "tool",
    name: isCall ? `tool call ${name}${isFailed ? ", failed" : ""}` : `result of ${name}${isFailed ? ", failed" : ""}`,
    meta: took !== null && took !== undefined ? h("span", { title: "Duration of the call" }, duration(took)) : null,
    fold,
  };
}

function state(result, isCall) {
  if (!result) return isCall ? h("span", { class: "badge" }, icon("pending"), "No result yet") : null;
  return result.tool.is_error ? badge("failed") : badge("completed", "Done");
}

// The arguments in one line, as far as there is room.
function hint(entry) {
  const value = entry?.tool.input ?? entry?.tool.output;
  if (!value) return "";
  const text = value.text.replace(/\s+/g, " ").slice(0, HINT * 2);
  return text.length > HINT ? `${text.slice(0, HINT)} …` : text;
}

function contents(row, result, isCall, view) {
  const { entry } = row;
  const found = [];
  const part = (title, more, ...body) => found.push(h("section", {}, h("h4", {}, title, more), body));
  if (entry.tool.input) part("Arguments", null, cut(entry.tool.input, `${row.sequence}/input`, row, view, { isMarked: false }));
  else if (isCall) part("Arguments", null, h("p", { class: "quiet small" }, "None"));
  if (result?.error) part("Error", where(isCall, result, view), failure(result.error, row, view));
  if (result?.parts?.length) part("Result", where(isCall, result, view), parts(result.parts, { ...row, sequence: result.sequence }, view));
  if (result?.tool.output) {
    const whose = { ...row, sequence: result.sequence };
    part("Result", where(isCall, result, view), cut(asJson(result.tool.output), `${result.sequence}/output`, whose, view, { isMarked: false }));
  }
  return found;
}

function where(isCall, result, view) {
  if (!isCall) return null;
  return h("button", {
    type: "button", class: "more", dataset: { key: `${result.sequence}/raw` },
    on: { click: () => view.open(result.sequence) },
  }, `event ${whole(result.sequence)}, ${clock(result.time)}`);
}

// Many tools answer with JSON as text.
function asJson(output) {
  if (output.format === "json" || output.more_bytes || !/^\s*[[{]/.test(output.text)) return output;
  try {
    JSON.parse(output.text);
    return { ...output, format: "json" };
  } catch {
    return output;
  }
}
