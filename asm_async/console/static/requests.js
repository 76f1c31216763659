// Asking the server, and knowing whether it can be reached.

const PROBE_SECONDS = [1, 2, 4, 5];

/** The server has answered, and not what was hoped for. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.code = problem.code;
  }
}

/** Nobody has answered. */
export class Unreachable extends Error {
  constructor() { super("The server is not reachable."); }
}

/**
 * Whether the server can be reached. Fires `change`; and `back` when it can again, upon
 * which everything that failed meanwhile is asked for anew.
 */
class Connection extends EventTarget {
  isReachable = true;
  #attempt = 0;
  #timer = null;

  succeeded() {
    if (this.isReachable) return;
    clearTimeout(this.#timer);
    this.isReachable = true;
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("back"));
  }

  failed() {
    if (!this.isReachable) return;
    this.isReachable = false;
    this.#attempt = 0;
    this.dispatchEvent(new Event("change"));
    this.#probeLater();
  }

  /** Ask whether somebody is there; a stream that broke is no proof that nobody is. */
  async probe() {
    clearTimeout(this.#timer);
    try {
      await fetch(addressOf("api/about"), { cache: "no-store" });
      this.succeeded();
    } catch {
      this.failed();
      this.#probeLater();
    }
  }

  #probeLater() {
    clearTimeout(this.#timer);
    const seconds = PROBE_SECONDS[Math.min(this.#attempt, PROBE_SECONDS.length - 1)];
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.probe(), seconds * 1_000);
  }
}

export const connection = new Connection();

/** Make the address of a path below the page; parameters that are lists are repeated. */
export function addressOf(path, parameters = {}) {
  const address = new URL(path, document.baseURI);
  address.hash = "";
  address.search = "";
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") address.searchParams.append(name, each);
    }
  }
  return address;
}

async function send(address, options) {
  let answer;
  try {
    answer = await fetch(address, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    connection.failed();
    throw new Unreachable();
  }
  connection.succeeded();
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, body);
  return body;
}

/** Read something. */
export function read(path, parameters, signal) {
  return send(addressOf(path, parameters), { signal });
}

/** Change something. */
export function write(path, parameters, body) {
  return send(addressOf(path, parameters), {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-ASM-Console": "1" },
    body: JSON.stringify(body),
  });
}

/** Whether an error only says that nobody waits for the answer any more. */
export const isAborted = (error) => error.name === "AbortError";
