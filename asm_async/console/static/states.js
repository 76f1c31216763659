// What a state is called, how it looks and which mark it bears.

import { h, icon } from "./dom.js";
import { sentence } from "./format.js";

const LOOKS = {
  pending: ["", "pending"],
  active: ["", "pending"],
  paused: ["warn", "paused"],
  running: ["busy", "running"],
  interrupted: ["warn", "interrupted"],
  completed: ["good", "done"],
  failed: ["bad", "failed"],
  timeout: ["bad", "timeout"],
  cancelled: ["", "cancelled"],
  deleted: ["bad", "deleted"],
};

/** Make a badge; its word is the state, whatever its colour. */
export function badge(state, text = sentence(state)) {
  const [look, mark] = LOOKS[state] ?? ["", "pending"];
  return h("span", { class: `badge ${look}` }, icon(mark), text);
}

/** The one state of a session that says most: that of its latest run, if it is telling. */
export function stateOf(session) {
  if (session.deleted_at) return "deleted";
  const run = session.latest_run?.state;
  if (run === "running" || run === "interrupted") return run;
  if (session.status !== "active") return session.status;
  return run === "failed" || run === "timeout" ? run : "active";
}
