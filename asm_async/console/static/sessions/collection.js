// The sessions that a list shows: read page by page, as far as somebody scrolls.

import { later } from "../dom.js";
import { follow } from "../streams.js";
import { connection, isAborted, read } from "../requests.js";

const PAGE = 200;
const FIRST_PAGE = 50;
const COUNT_MILLISECONDS = 2_000;

/** Compare by last activity, the latest first. */
const activity = (row) => row.last_activity_at ?? row.updated_at;
const byActivity = (one, other) =>
  activity(one) < activity(other) ? 1 : activity(one) > activity(other) ? -1 : one.id < other.id ? 1 : -1;

/** A day of the reader's own calendar as a time. */
const midnight = (date) => (date ? new Date(`${date}T00:00`).toISOString() : null);

/** The parameters by which the server filters. */
function parametersOf(filters) {
  const { q, status, agent, user, tenant, tag, since, until, deleted } = filters;
  return {
    status, tag, q,
    agent_id: agent, user_id: user, tenant_id: tenant,
    created_after: midnight(since), created_before: midnight(until),
    include_deleted: deleted ? "true" : null,
  };
}

/** Fires `change`; what changed is read off its properties. */
export class SessionCollection extends EventTarget {
  rows = [];
  total = null;
  error = null;
  isLoading = false;
  isComplete = false;
  #known = new Map();
  #cursor = null;
  #wanted = 0;
  #stream = null;
  #abort = new AbortController();
  #parameters = {};
  #isSearch = false;
  #countSoon = later(COUNT_MILLISECONDS, () => this.#count(this.#abort.signal));

  constructor() {
    super();
    connection.addEventListener("back", () => this.refresh());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.refresh(); });
  }

  /** Begin anew with other filters. */
  open(filters) {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#stream?.close();
    this.#stream = null;
    Object.assign(this, { rows: [], total: null, error: null, isLoading: false, isComplete: false });
    this.#known.clear();
    this.#cursor = null;
    this.#parameters = parametersOf(filters);
    this.#isSearch = Boolean(filters.q);
    this.#wanted = FIRST_PAGE;
    this.#changed();
    this.#load();
  }

  // What comes is listened for once there is something to see.
  #listen() {
    const { q, ...live } = this.#parameters;
    this.#stream ??= follow("api/stream/sessions", () => live, {
      sessions: ({ items, removed }) => this.#heard(items, removed),
    });
  }

  /** How many rows the list has, among them those that nobody has read yet. */
  get length() {
    return this.isComplete ? this.rows.length : Math.max(this.total ?? 0, this.rows.length);
  }

  /** Have the rows up to an index read; what is in the way is read first. */
  ensure(index) {
    this.#wanted = Math.max(this.#wanted, Math.min(index + 1, this.length || index + 1));
    if (this.error === null) this.#load();
  }

  retry() {
    this.error = null;
    this.#load();
  }

  get(id) { return this.#known.get(id); }

  indexOf(id) {
    const row = this.#known.get(id);
    return row ? this.rows.indexOf(row) : -1;
  }

  /** Take a newer value of a session that is listed. */
  update(row) {
    if (this.#known.has(row.id)) this.#heard([row], []);
  }

  /** Read what may have changed while nobody listened. */
  async refresh() {
    if (this.error) return this.retry();
    if (!this.rows.length && this.isLoading) return undefined;
    try {
      const { q, ...parameters } = this.#parameters;
      const signal = this.#abort.signal;
      const page = await read("api/sessions", { ...parameters, limit: FIRST_PAGE }, signal);
      this.#heard(page.items, []);
    } catch (error) {
      if (!isAborted(error)) this.#changed();
    }
    return undefined;
  }

  async #load() {
    if (this.isLoading || this.isComplete || this.rows.length >= this.#wanted) return;
    this.isLoading = true;
    this.#changed();
    const { signal } = this.#abort;
    try {
      while (!this.isComplete && this.rows.length < this.#wanted) {
        const isFirst = this.#cursor === null;
        const page = await read("api/sessions", {
          ...this.#parameters, cursor: this.#cursor,
          limit: isFirst ? FIRST_PAGE : PAGE,
        }, signal);
        for (const row of page.items) this.#put(row);
        this.#cursor = page.cursor;
        this.isComplete = page.cursor === null;
        this.#changed();
        if (isFirst) {
          this.#listen();
          this.#count(signal);
        }
      }
    } catch (error) {
      if (isAborted(error)) return;
      this.error = error;
    }
    this.isLoading = false;
    this.#changed();
  }

  // To count takes longer than to read the first page, which does not wait for it.
  async #count(signal) {
    if (this.#isSearch) return;
    if (this.isComplete) {
      this.total = this.rows.length;
      return;
    }
    try {
      const page = await read("api/sessions", { ...this.#parameters, limit: 1, count: "true" }, signal);
      this.total = page.total;
      this.#changed();
    } catch (error) {
      // The list is of use without its length; it then grows as it is read.
      if (!isAborted(error)) console.debug(error);
    }
  }

  #heard(items, removed) {
    for (const id of removed) this.#take(id);
    if (removed.length) this.#countSoon();
    for (const row of items) {
      // What a search finds is decided by the server alone.
      if (this.#isSearch && !this.#known.has(row.id)) continue;
      if (!this.#known.has(row.id)) this.#countSoon();
      this.#put(row);
    }
    this.#changed();
  }

  #take(id) {
    const row = this.#known.get(id);
    if (!row) return undefined;
    this.#known.delete(id);
    this.rows.splice(this.rows.indexOf(row), 1);
    return row;
  }

  #put(row) {
    if (this.#known.has(row.id)) this.#take(row.id);
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (byActivity(this.rows[middle], row) < 0) low = middle + 1;
      else high = middle;
    }
    // Older than all that was read: its page will bring it.
    if (low === this.rows.length && this.rows.length && this.#cursor && !this.isLoading) return;
    this.rows.splice(low, 0, row);
    this.#known.set(row.id, row);
  }

  #changed() { this.dispatchEvent(new Event("change")); }
}
