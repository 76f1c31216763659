// Charts as drawings of their own, each with a table that says the same.

import { h, svg } from "../dom.js";

const SERIES = 6;
const AXIS_WIDTH = 58;
const AXIS_HEIGHT = 26;

let made = 0;

/**
 * Make a figure: a drawing, its legend, and its figures as a table.
 *
 * `draw(width)` returns the drawing's height and children; it is called again when the
 * figure becomes wider or narrower.
 */
export function figure({ title, description, legend = [], draw, table }) {
  made += 1;
  const id = `chart-${made}`;
  const place = h("div", { class: "drawing" });
  const render = () => {
    const width = Math.floor(place.clientWidth);
    if (!width) return;
    const { height, children } = draw(width);
    place.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${id}-title ${id}-desc` },
      svg("title", { id: `${id}-title` }, title), svg("desc", { id: `${id}-desc` }, description), children));
  };
  new ResizeObserver(render).observe(place);
  return h("figure", { class: "chart card" },
    h("figcaption", {}, h("h2", {}, title), h("p", { class: "quiet small" }, description)),
    legend.length > 1 ? h("ul", { class: "legend" }, legend.map((name, at) => h("li", {}, h("span", { class: `swatch ${seriesClass(at)}` }), name))) : null,
    place,
    h("details", { class: "chart-table" }, h("summary", {}, "As a table"), h("div", { class: "scroll-x", tabindex: "0", role: "group", "aria-label": `${title}: table` }, table())));
}

/** Make a table of texts; the columns after the first are figures. */
export function tableOf(caption, head, rows) {
  return h("table", {}, h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, head.map((name, at) => h("th", { scope: "col", class: at ? "figure" : null }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, at) => (at ? h("td", { class: "figure" }, cell) : h("th", { scope: "row" }, cell)))))));
}

export const seriesClass = (at) => `series-${Math.min(at, SERIES - 1) + 1}`;

/** The highest tick of an axis, and the distance between its ticks. */
export function scaleTo(most, count = 4) {
  if (!(most > 0)) return { top: 1, step: 1 };
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((each) => each * power >= rough) * power;
  return { top: Math.ceil(most / step - 1e-9) * step, step };
}

/**
 * Draw stacked columns, one for each label: `columns` is a list of lists, in the order of
 * the series.
 */
export function stackedColumns({ width, labels, columns, series, format, tick = format, labelOf }) {
  const height = 240;
  const bottom = height - AXIS_HEIGHT;
  const { top, step } = scaleTo(Math.max(...columns.map((parts) => parts.reduce((sum, part) => sum + part, 0)), 0));
  const y = (value) => bottom - (value / top) * (bottom - 12);
  const room = (width - AXIS_WIDTH - 4) / labels.length;
  const thick = Math.max(1, Math.min(40, room * .72));
  const children = gridLines(width, top, step, y, tick);
  labels.forEach((label, at) => {
    const x = AXIS_WIDTH + room * at + (room - thick) / 2;
    let base = 0;
    const bars = columns[at].map((value, which) => {
      if (!value) return null;
      const bar = svg("rect", { x, width: thick, y: y(base + value), height: Math.max(.5, y(base) - y(base + value)), class: seriesClass(which), rx: Math.min(2, thick / 4) },
        svg("title", {}, `${labelOf(label)}, ${series[which]}: ${format(value)}`));
      base += value;
      return bar;
    });
    children.push(svg("g", {}, svg("rect", { x: AXIS_WIDTH + room * at, y: 12, width: room, height: bottom - 12, class: "hit" }, svg("title", {}, `${labelOf(label)}: ${format(base)}`)), bars));
  });
  const every = Math.max(1, Math.ceil(labels.length / Math.max(1, Math.floor((width - AXIS_WIDTH) / 64))));
  labels.forEach((label, at) => {
    if (at % every) return;
    children.push(svg("text", { x: AXIS_WIDTH + room * (at + .5), y: height - 8, "text-anchor": "middle", class: "tick" }, labelOf(label)));
  });
  return { height, children };
}

function gridLines(width, top, step, y, format) {
  const children = [];
  for (let value = 0; value <= top + step / 1_000; value += step) {
    children.push(
      svg("line", { x1: AXIS_WIDTH - 6, x2: width, y1: y(value), y2: y(value), class: value ? "grid" : "axis" }),
      svg("text", { x: AXIS_WIDTH - 10, y: y(value) + 4, "text-anchor": "end", class: "tick" }, format(value)));
  }
  return children;
}

/** Draw one bar for each row, the longest first. */
export function bars({ width, rows, format }) {
  const line = 46;
  const most = Math.max(...rows.map((row) => row.value), 0) || 1;
  const children = rows.map((row, at) => {
    const top = at * line;
    return svg("g", {},
      svg("text", { x: 0, y: top + 14, class: "name" }, shorten(row.name, (width - 90) / 7.5), svg("title", {}, row.name)),
      svg("text", { x: width, y: top + 14, "text-anchor": "end", class: "amount" }, format(row.value)),
      svg("rect", { x: 0, y: top + 22, width, height: 8, rx: 4, class: "track" }),
      svg("rect", { x: 0, y: top + 22, width: Math.max(row.value ? 3 : 0, (row.value / most) * width), height: 8, rx: 4, class: row.className ?? seriesClass(0) }));
  });
  return { height: Math.max(line, rows.length * line - 8), children };
}

/** Draw for each row where its median and its 95th percentile are. */
export function ranges({ width, rows, format }) {
  const line = 46;
  const { top, step } = scaleTo(Math.max(...rows.map((row) => row.high), 0), 3);
  const x = (value) => 6 + (value / top) * (width - 12);
  const height = rows.length * line + 24;
  const children = [];
  for (let value = 0; value <= top + step / 1_000; value += step) {
    const anchor = value === 0 ? "start" : value >= top - step / 2 ? "end" : "middle";
    children.push(svg("line", { x1: x(value), x2: x(value), y1: 0, y2: height - 20, class: "grid" }),
      svg("text", { x: x(value), y: height - 5, "text-anchor": anchor, class: "tick" }, format(value)));
  }
  rows.forEach((row, at) => {
    const y = at * line;
    children.push(svg("g", {},
      svg("text", { x: 0, y: y + 14, class: "name" }, shorten(row.name, (width - 150) / 7.5), svg("title", {}, row.name)),
      svg("text", { x: width, y: y + 14, "text-anchor": "end", class: "amount" }, `${format(row.middle)} · ${format(row.high)}`),
      svg("line", { x1: x(row.middle), x2: x(row.high), y1: y + 28, y2: y + 28, class: "span" }),
      svg("circle", { cx: x(row.middle), cy: y + 28, r: 5.5, class: "series-1" }),
      svg("rect", { x: x(row.high) - 2.5, y: y + 21, width: 5, height: 14, rx: 1.5, class: "series-2" })));
  });
  return { height, children };
}

function shorten(text, most) {
  const room = Math.max(6, Math.floor(most));
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
