// Tokens, cost and latency: by day, and by model, user or agent.

import { h } from "../dom.js";
import { adjust, selection } from "../address.js";
import { compact, counted, day, dollars, duration, fullDay, tokenDetails, whole } from "../format.js";
import { connection, isAborted, read } from "../requests.js";
import { showFailure } from "../sessions/sidebar.js";
import { bars, figure, ranges, seriesClass, stackedColumns, tableOf } from "./charts.js";

const DAY_MILLISECONDS = 86_400_000;
const SPANS = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["all", "All time"], ["custom", "Other dates"]];
const GROUPS = [["model", "Model"], ["user", "User"], ["agent", "Agent"], ["provider", "Provider"]];
const METRICS = [["cost", "Cost"], ["tokens", "Tokens"], ["runs", "Runs"]];
const MOST_SERIES = 6;
const MOST_ROWS = 12;
const NOBODY = { model: "no model", user: "no user", agent: "no agent", provider: "no provider" };

export class UsageView {
  #abort = new AbortController();
  #failure = h("div", { class: "notice", hidden: true });
  #controls = h("form", { class: "usage-controls", "aria-label": "What the charts show" });
  #charts = h("div", { class: "charts", "aria-live": "off" });
  #status = h("p", { class: "unseen", role: "status" });
  #key = null;
  #onBack = () => this.#load(selection());
  element = h("div", { class: "usage" },
    h("header", { class: "usage-head" }, h("h1", { tabindex: "-1", id: "title" }, "Usage"), this.#controls), this.#status, this.#failure, this.#charts);

  constructor() {
    this.#controls.addEventListener("submit", (submit) => submit.preventDefault());
    this.#controls.addEventListener("change", () => this.#changed());
    connection.addEventListener("back", this.#onBack);
  }

  close() {
    this.#abort.abort();
    connection.removeEventListener("back", this.#onBack);
  }

  show(chosen) {
    document.title = "Usage – Agent sessions";
    const key = JSON.stringify(chosen);
    if (key === this.#key) return;
    this.#key = key;
    this.#showControls(chosen);
    this.#load(chosen);
  }

  focusTitle() { this.element.querySelector("h1").focus({ preventScroll: true }); }

  #showControls({ span = "30", by = "model", metric = "cost", from, to }) {
    const focused = this.#controls.contains(document.activeElement) ? document.activeElement.id : null;
    this.#controls.replaceChildren(
      choice("span", "Time", SPANS, span),
      span === "custom" ? h("span", { class: "dates" }, date("from", "From", from), date("to", "To", to)) : "",
      choice("by", "By", GROUPS, by), choice("metric", "Measure", METRICS, metric));
    if (focused) document.getElementById(focused)?.focus();
  }

  #changed() {
    const data = new FormData(this.#controls);
    adjust(Object.fromEntries(["span", "by", "metric", "from", "to"].map((name) => [name, data.get(name)])), { replace: true });
  }

  async #load({ span = "30", by = "model", metric = "cost", from, to }) {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const { since, until } = bounds(span, from, to);
    this.#charts.setAttribute("aria-busy", "true");
    try {
      const range = { since, until };
      const [byDay, byGroup, latency] = await Promise.all([
        read("api/usage", { ...range, group_by: by, bucket: "day" }, signal),
        read("api/usage", { ...range, group_by: by }, signal),
        read("api/latency", { ...range, group_by: by }, signal),
      ]);
      showFailure(this.#failure, null);
      this.#draw({ by, metric, byDay, byGroup, latency, since, until });
      this.#status.textContent = "Charts are up to date";
      performance.mark("asm-usage");
    } catch (error) {
      if (isAborted(error)) return;
      showFailure(this.#failure, error, () => this.#load(selection()));
    }
    this.#charts.setAttribute("aria-busy", "false");
  }

  #draw({ by, metric, byDay, byGroup, latency, since, until }) {
    const { total } = byGroup;
    if (!total.runs) {
      this.#charts.replaceChildren(tiles(total, latency), h("div", { class: "card empty" }, h("p", {}, "No run began in this time.")));
      return;
    }
    const measure = MEASURES[metric];
    const nameOf = (group) => group.key[by] ?? NOBODY[by];
    const groups = [...byGroup.groups].sort((one, other) => measure.of(other) - measure.of(one));
    const names = groups.map(nameOf);
    this.#charts.replaceChildren(
      tiles(total, latency),
      dailyChart({ by, measure, names, nameOf, groups: byDay.groups, since, until }),
      groupChart({ by, measure, groups, nameOf }),
      latencyChart({ by, latency }));
  }
}

const MEASURES = {
  cost: { name: "Cost", of: (sums) => sums.cost_usd, format: dollars, tick: (amount) => `$${amount.toLocaleString("en", { maximumSignificantDigits: 3 })}` },
  tokens: { name: "Tokens", of: (sums) => sums.tokens.total, format: compact },
  runs: { name: "Runs", of: (sums) => sums.runs, format: (count) => (Number.isInteger(count) ? whole(count) : "") },
};

function bounds(span, from, to) {
  if (span === "all") return { since: null, until: null };
  if (span === "custom") {
    return {
      since: from ? new Date(`${from}T00:00`).toISOString() : null,
      until: to ? new Date(new Date(`${to}T00:00`).getTime() + DAY_MILLISECONDS).toISOString() : null,
    };
  }
  // Days are those of UTC, as the server counts them.
  const today = new Date().setUTCHours(0, 0, 0, 0);
  return { since: new Date(today - (Number(span) - 1) * DAY_MILLISECONDS).toISOString(), until: null };
}

function tiles(total, latency) {
  const middle = latency.groups.length === 1 ? latency.groups[0].median_ms : null;
  const tile = (name, value, more) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "figure" }, value), more ? h("dd", { class: "quiet small" }, more) : null);
  return h("dl", { class: "tiles card" },
    tile("Runs", whole(total.runs)),
    tile("Cost", dollars(total.cost_usd), total.unpriced_runs ? `without ${counted(total.unpriced_runs, "run")} of unknown price` : null),
    tile("Tokens in", compact(total.tokens.input), total.tokens.cache_read ? `${compact(total.tokens.cache_read)} from a cache` : null),
    tile("Tokens out", compact(total.tokens.output), total.tokens.reasoning ? `${compact(total.tokens.reasoning)} for reasoning` : null),
    middle === null ? null : tile("Median run", duration(middle)));
}

function dailyChart({ by, measure, names, nameOf, groups, since, until }) {
  const series = names.length > MOST_SERIES ? [...names.slice(0, MOST_SERIES - 1), "others"] : names;
  const place = new Map(names.map((name, at) => [name, Math.min(at, series.length - 1)]));
  const days = daysOf(groups, since, until);
  const columns = new Map(days.map((each) => [each, series.map(() => 0)]));
  for (const group of groups) {
    const column = columns.get(group.bucket.slice(0, 10));
    if (column) column[place.get(nameOf(group)) ?? series.length - 1] += measure.of(group);
  }
  const title = `${measure.name} by day and ${by}`;
  return figure({
    title, legend: series,
    description: `${days.length ? `${fullDay(days[0])} to ${fullDay(days.at(-1))}` : "No days"}, in days of UTC.`,
    draw: (width) => stackedColumns({ width, labels: days, columns: days.map((each) => columns.get(each)), series, format: measure.format, tick: measure.tick, labelOf: day }),
    table: () => tableOf(title, ["Day", ...series, "Together"], days.filter((each) => columns.get(each).some(Boolean)).map((each) => {
      const column = columns.get(each);
      return [fullDay(each), ...column.map(measure.format), measure.format(column.reduce((sum, value) => sum + value, 0))];
    })),
  });
}

// Days without a run have their place, too.
function daysOf(groups, since, until) {
  const seen = groups.map((group) => group.bucket.slice(0, 10)).sort();
  if (!seen.length) return [];
  const first = since && seen[0] > since.slice(0, 10) ? since.slice(0, 10) : seen[0];
  const today = new Date().toISOString().slice(0, 10);
  const last = until ? new Date(new Date(until) - 1).toISOString().slice(0, 10) : since && seen.at(-1) < today ? today : seen.at(-1);
  const days = [];
  for (let at = Date.parse(first); at <= Date.parse(last) && days.length < 400; at += DAY_MILLISECONDS) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

function groupChart({ by, measure, groups, nameOf }) {
  const rows = groups.slice(0, MOST_ROWS).map((group, at) => ({ name: nameOf(group), value: measure.of(group), className: seriesClass(groups.length > MOST_SERIES ? Math.min(at, MOST_SERIES - 1) : at) }));
  const title = `${measure.name} by ${by}`;
  return figure({
    title, description: groups.length > rows.length ? `The first ${rows.length} of ${whole(groups.length)}.` : `${counted(rows.length, by)}, the highest first.`,
    draw: (width) => bars({ width, rows, format: measure.format }),
    table: () => tableOf(title, [by, "Runs", "Tokens", "Cost"], groups.map((group) => [
      nameOf(group), whole(group.runs), h("span", { title: tokenDetails(group.tokens) }, whole(group.tokens.total)), dollars(group.cost_usd)])),
  });
}

function latencyChart({ by, latency }) {
  const groups = latency.groups.slice(0, MOST_ROWS);
  const title = `Duration of runs by ${by}`;
  return figure({
    title,
    description: `A dot is the median, a bar the 95th percentile; of ${latency.is_sample ? `the latest ${counted(latency.runs, "run")} that have ended` : counted(latency.runs, "ended run")}.`,
    draw: (width) => ranges({ width, rows: groups.map((group) => ({ name: group.key ?? NOBODY[by], middle: group.median_ms, high: group.p95_ms })), format: duration }),
    table: () => tableOf(title, [by, "Runs", "Median", "95th percentile", "Longest"], latency.groups.map((group) => [
      group.key ?? NOBODY[by], whole(group.runs), duration(group.median_ms), duration(group.p95_ms), duration(group.max_ms)])),
  });
}

function choice(name, label, options, chosen) {
  return h("label", { class: "choice" }, h("span", { class: "quiet small" }, label),
    h("select", { class: "field", name, id: `usage-${name}` }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
}

const date = (name, label, value) => h("label", { class: "choice" }, h("span", { class: "quiet small" }, label),
  h("input", { class: "field", type: "date", name, id: `usage-${name}`, props: { value: value ?? "" } }));
