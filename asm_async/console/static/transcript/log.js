// The entries of one session that were read, and what belongs to what.

import { read } from "../requests.js";

const WINDOW = 200;
const MOST_KEPT = 4_000;
// A result further from its call than this stands by itself.
const NEAR = 24;

export class EntryLog {
  first = 1;
  latest = 0;
  retracted = [];
  #entries = new Map();
  #calls = new Map();
  #results = new Map();
  #messages = new Map();

  constructor(sessionId) { this.sessionId = sessionId; }

  get(sequence) { return this.#entries.get(sequence); }

  get isEmpty() { return this.latest < this.first; }

  /** Have all entries from one number to another read. */
  async load(first, last, signal) {
    for (let next = this.#missing(first, last); next !== null; next = this.#missing(next, last)) {
      const limit = Math.min(WINDOW, last - next + 1);
      const page = await read("api/entries", { session_id: this.sessionId, first: next, limit }, signal);
      this.bounds(page);
      this.add(page.items);
      if (!page.items.length) return;
    }
  }

  /** Read the latest entries. */
  async loadLast(count, signal) {
    const page = await read("api/entries", { session_id: this.sessionId, last: count }, signal);
    this.bounds(page);
    this.add(page.items);
  }

  /** Read an entry of which nothing is cut. */
  async loadWhole(sequence) {
    const { entry } = await read("api/event", { session_id: this.sessionId, sequence });
    this.add([entry]);
  }

  bounds({ first_sequence: first, latest_sequence: latest, retracted }) {
    if (first) this.first = first;
    this.latest = Math.max(this.latest, latest ?? 0);
    if (retracted) this.retracted = retracted;
  }

  add(items) {
    for (const entry of items) {
      this.#entries.set(entry.sequence, entry);
      if (entry.kind === "tool_call") this.#calls.set(callKey(entry), entry.sequence);
      if (entry.kind === "tool_result") this.#results.set(callKey(entry), entry.sequence);
      if (entry.kind === "message" && entry.message_id) this.#messages.set(entry.message_id, entry.sequence);
      this.latest = Math.max(this.latest, entry.sequence);
    }
  }

  /** Forget what is far from a stretch that is shown. */
  forget(first, last) {
    if (this.#entries.size <= MOST_KEPT) return;
    const margin = MOST_KEPT / 4;
    for (const sequence of this.#entries.keys()) {
      if (sequence < first - margin || sequence > last + margin) this.#entries.delete(sequence);
    }
  }

  /** The result of a call, if it was read. */
  resultOf(call) { return this.get(this.#results.get(callKey(call))); }

  /** The call that shows a result as its own, if it does. */
  hostOf(result) {
    const call = this.get(this.#calls.get(callKey(result)));
    return call && result.sequence > call.sequence && result.sequence - call.sequence <= NEAR ? call : undefined;
  }

  /** Whether the whole of a streamed message was read. */
  hasMessage(id) { return id !== undefined && this.#entries.has(this.#messages.get(id)); }

  isRetracted(sequence) {
    return this.retracted.some(([first, last]) => first <= sequence && sequence <= last);
  }

  #missing(first, last) {
    for (let sequence = first; sequence <= last; sequence += 1) {
      if (!this.#entries.has(sequence)) return sequence;
    }
    return null;
  }
}

const callKey = (entry) => `${entry.run_id ?? ""}\n${entry.tool?.call_id}`;
