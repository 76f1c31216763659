// What one row of a transcript looks like.

import { h, icon } from "../dom.js";
import { absolute, clock, dollars, duration, fullDay, sentence, tokenDetails, tokens, whole, words } from "../format.js";
import { hrefOfSession } from "../address.js";
import { badge } from "../states.js";
import { cut, failure, parts } from "./content.js";
import { toolRow } from "./tools.js";

const ROLES = {
  user: ["User", "user"], assistant: ["Assistant", "assistant"], tool: ["Tool", "tool"],
  system: ["System", "system_role"], developer: ["Developer", "system_role"],
};

/** Fill a row; what had the focus in it has it afterwards. */
export function fillEntry(element, row, view) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.dataset.key;
  const { entry } = row;
  const shape = (SHAPES[entry.kind] ?? other)(row, view);
  const isCurrent = element.getAttribute("aria-current") === "true";
  element.className = `entry ${shape.look}`;
  element.id = `e${row.sequence}`;
  if (isCurrent) element.setAttribute("aria-current", "true");
  element.setAttribute("aria-label", `${row.sequence}, ${shape.name}`);
  const when = h("time", { datetime: entry.time, title: absolute(entry.time) }, clock(entry.time));
  const meta = h("span", { class: "meta figure" }, shape.meta, when);
  element.replaceChildren(
    ...(row.startsDay ? [h("div", { class: "day" }, h("span", {}, fullDay(entry.time)))] : []),
    h("div", { class: "body" }, shape.fold
      ? [number(row, view), shape.fold(marks(row), meta)]
      : [h("div", { class: "head" }, number(row, view), shape.head, marks(row), meta), shape.body]),
  );
  if (focused && focused !== element) {
    (key && element.querySelector(`[data-key="${CSS.escape(key)}"]`) || element).focus({ preventScroll: true });
  }
}

const number = (row, view) => h("a", {
  class: "number figure", href: hrefOfSession(view.log.sessionId, { at: row.sequence }),
  dataset: { key: "number" }, title: "Show the raw event", "aria-label": `Raw event ${row.sequence}`,
  on: { click: (click) => { click.preventDefault(); view.open(row.sequence); } },
}, whole(row.sequence));

function marks(row) {
  return [
    row.isRetry ? h("span", { class: "badge warn" }, icon("retry"), "Retry") : null,
    row.isRetracted ? h("span", { class: "badge retracted-mark" }, icon("cancelled"), "Retracted") : null,
  ];
}

const label = (text, mark, look = "") => h("span", { class: `label ${look}` }, mark ? icon(mark) : null, text);

/** Say a part of an entry in one line, for who only listens. */
export function spoken(entry) {
  const text = entry.parts?.map((part) => part.text?.text ?? part.type).join(" ") ?? "";
  if (entry.kind === "message") return `${(ROLES[entry.role] ?? ROLES.assistant)[0]}: ${text.slice(0, 240)}`;
  if (entry.kind === "tool_call") return `Tool ${entry.tool.name} called`;
  if (entry.kind === "tool_result") return `Tool ${entry.tool.name} ${entry.tool.is_error ? "failed" : "returned"}`;
  if (entry.kind === "error") return `Error: ${entry.error?.message.text.slice(0, 240) ?? ""}`;
  if (entry.kind === "delta" || entry.kind === "usage") return "";
  return sentence(entry.type);
}

function message(row, view) {
  const { entry } = row;
  const [name, mark] = ROLES[entry.role] ?? ROLES.assistant;
  const isSystem = mark === "system_role";
  return {
    look: `message ${entry.role ?? "assistant"}`, name: `${name} message`,
    head: [label(name, mark), entry.model ? h("span", { class: "quiet small clip" }, entry.model) : null],
    meta: [entry.stop_reason && !["stop", "end_turn", "tool_calls", "tool_use"].includes(entry.stop_reason)
      ? h("span", { class: "quiet" }, words(entry.stop_reason)) : null, usage(entry)],
    body: parts(entry.parts ?? [], row, view, isSystem),
  };
}

// Pieces are shown until the whole message is there.
function delta(row, view) {
  const { entry, isWhole, pieces } = row;
  const count = `${whole(pieces.length)} ${pieces.length === 1 ? "piece" : "pieces"}`;
  const text = pieces.flatMap((piece) => piece.parts ?? []).map((part) => part.text?.text ?? "").join("");
  const until = pieces.length > 1 ? ` to ${whole(pieces.at(-1).sequence)}` : "";
  if (isWhole) return { look: "thin", name: "streamed", head: [label(`Streamed in ${count}${until}`, null, "plain")], body: null };
  return {
    look: "message assistant streamed", name: "Assistant message, streamed",
    head: [label("Assistant", "assistant"), h("span", { class: "quiet small" }, `streamed, ${count}${until}`)],
    body: cut({ text, format: "text", more_bytes: 0 }, `${row.sequence}/pieces`, row, view),
  };
}

function usage(entry) {
  return [
    entry.tokens ? h("span", { title: tokenDetails(entry.tokens) }, tokens(entry.tokens)) : null,
    entry.cost_usd !== undefined && entry.cost_usd !== null
      ? h("span", { title: entry.cost_is_computed ? "By list prices" : "As recorded" }, `${entry.cost_is_computed ? "≈ " : ""}${dollars(entry.cost_usd)}`)
      : null,
  ];
}

function runBegin(row) {
  const { entry } = row;
  const facts = [entry.provider, entry.model].filter(Boolean).join(" · ");
  return {
    look: "thin run-edge", name: "run begins",
    head: [label("Run started", "running", "plain"), h("span", { class: "quiet clip" }, facts)],
    meta: [h("span", { class: "quiet mono clip run-id", title: `Run ${entry.run_id}` }, entry.run_id)], body: null,
  };
}

const RUN_ENDS = { run_completed: "completed", run_failed: "failed", run_cancelled: "cancelled", run_timeout: "timeout" };

function runEnd(row, view) {
  const { entry } = row;
  const state = entry.error?.code === "interrupted" ? "interrupted" : RUN_ENDS[entry.type] ?? "completed";
  const run = view.runs?.get(entry.run_id);
  return {
    look: `thin run-edge ${state}`, name: `run ${state}`,
    head: [badge(state, `Run ${state === "timeout" ? "timed out" : state}`)],
    meta: [usage(entry), run?.duration_ms ? h("span", { title: "Duration of the run" }, duration(run.duration_ms)) : null],
    body: [failure(entry.error, row, view), entry.reason ? cut(entry.reason, `${row.sequence}/reason`, row, view, { isShort: true }) : null],
  };
}

function error(row, view) {
  return { look: "error", name: "error", head: [label("Error", "interrupted", "bad")], meta: null, body: failure(row.entry.error, row, view) };
}

function recovery(row) {
  const { error: put } = row.entry;
  const text = put?.message?.text ?? "";
  return {
    look: "thin recovery", name: "recovered",
    head: [label("Recovered", "retry", "plain"), h("span", { class: "quiet clip", title: text }, text)], meta: null, body: null,
  };
}

const APPROVALS = { requested: ["Approval requested", "paused", "warn"], granted: ["Approval granted", "done", "good"], denied: ["Approval denied", "cancelled", "bad"] };

function approval(row, view) {
  const { entry } = row;
  const { state, by, reason, policy } = entry.approval;
  const [text, mark, look] = APPROVALS[state] ?? APPROVALS.requested;
  return {
    look: "thin approval", name: text,
    head: [h("span", { class: `badge ${look}` }, icon(mark), text), h("code", {}, entry.tool?.name ?? ""),
      h("span", { class: "quiet clip" }, [by && `by ${by}`, policy].filter(Boolean).join(" · "))],
    body: [entry.tool?.input && state === "requested" ? cut(entry.tool.input, `${row.sequence}/input`, row, view, { isShort: true }) : null,
      reason ? cut(reason, `${row.sequence}/reason`, row, view, { isShort: true }) : null],
  };
}

function retraction(row, view) {
  const { first, last } = row.entry.retracted;
  const numbers = first === last ? `event ${whole(first)}` : `events ${whole(first)} to ${whole(last)}`;
  return { ...thin(row, view, "cancelled", `Retracted ${numbers}`), look: "thin retraction" };
}

function usageRow(row, view) {
  return { ...thin(row, view, null, "Usage"), meta: usage(row.entry) };
}

function thin(row, view, mark, text) {
  const { entry } = row;
  const key = `${row.sequence}/`;
  return {
    look: `thin ${entry.kind}`, name: text,
    head: [label(text, mark, "plain"), entry.label ? h("span", { class: "quiet clip", title: entry.label }, entry.label) : null],
    meta: null,
    body: [
      entry.error ? failure(entry.error, row, view) : null,
      entry.reason ? cut(entry.reason, `${key}reason`, row, view, { isShort: true }) : null,
    ],
  };
}

function other(row, view) {
  const { entry } = row;
  const shape = thin(row, view, entry.kind === "policy" ? "interrupted" : null, entry.type.includes(".") ? entry.type : sentence(entry.type));
  const data = entry.data && entry.data.text !== "{}" ? cut(entry.data, `${row.sequence}/data`, row, view, { depth: 0 }) : null;
  return { ...shape, body: [shape.body, data] };
}

const SHAPES = {
  message, delta, approval, error, recovery, retraction,
  tool_call: toolRow, tool_result: toolRow,
  run_begin: runBegin, run_end: runEnd, usage: usageRow,
};
