// Elements of text alone: whatever was stored is never taken for HTML.

/**
 * Make an element.
 *
 * `attributes`: `class`, `dataset` (an object), `on` (listeners by event), `props`
 * (properties), and attributes; null, undefined and false leave one out.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an element of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "props") Object.assign(element, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Strokes on a grid of 16.
const ICONS = {
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1v1.4M8 13.6V15M1 8h1.4M13.6 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1Z",
  system: "M2 3h12v8H2zM6 14h4M8 11v3",
  help: "M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.7.4-1.1.9-1.1 1.6M8 12h.01M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14",
  filter: "M2 4h12M4.5 8h7M6.5 12h3",
  back: "M10 3 5 8l5 5",
  next: "M6 3l5 5-5 5",
  up: "M3 10l5-5 5 5",
  down: "M3 6l5 5 5-5",
  close: "M4 4l8 8M12 4l-8 8",
  latest: "M8 2v8M4 7l4 4 4-4M3 14h10",
  link: "M6.5 9.5a2.5 2.5 0 0 0 3.6 0l2.4-2.4a2.5 2.5 0 0 0-3.6-3.6l-.9.9M9.5 6.5a2.5 2.5 0 0 0-3.6 0L3.5 8.9a2.5 2.5 0 0 0 3.6 3.6l.9-.9",
  copy: "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
  done: "M3 8.5l3.2 3.2L13 4.8",
  failed: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  running: "M8 2a6 6 0 1 1-6 6M8 5v3l2 1.5",
  interrupted: "M8 2v7M8 12.5v.5",
  paused: "M6 4v8M10 4v8",
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11",
  cancelled: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M4.2 4.2l7.6 7.6",
  timeout: "M8 3.5a5 5 0 1 0 0 10 5 5 0 0 0 0-10M8 6v2.6M6.5 1.5h3",
  deleted: "M3 4.5h10M6.5 4V2.5h3V4M4.5 4.5l.6 9h5.8l.6-9",
  tool: "M9.8 3.2a3.2 3.2 0 0 0-3.9 4.2L2.5 10.8a1.5 1.5 0 0 0 2.1 2.1l3.5-3.4a3.2 3.2 0 0 0 4.2-3.9l-2 2-1.9-.5-.5-1.9z",
  user: "M8 8.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6M2.8 14c.6-2.5 2.6-3.7 5.2-3.7s4.6 1.2 5.2 3.7",
  assistant: "M8 1.8l1.5 4.2 4.2 1.5-4.2 1.5L8 13.2 6.5 9 2.3 7.5 6.5 6zM13 12v2.4M11.8 13.2h2.4",
  system_role: "M2.5 4h11M2.5 8h11M2.5 12h7",
  edit: "M3 13l.6-2.8L10.8 3l2.2 2.2-7.2 7.2zM9.5 4.3l2.2 2.2",
  tag: "M2.5 2.5h5l6 6-5 5-6-6zM5.2 5.2h.01",
  download: "M8 2v8M4.5 7L8 10.5 11.5 7M3 13.5h10",
  branch: "M4.5 2.5v11M4.5 9.5c0-3 7-2 7-5.5M11.5 4.5V2.5",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2v2.8h-2.8",
  raw: "M5.5 4 2 8l3.5 4M10.5 4 14 8l-3.5 4",
};

/** Draw one of the icons; it says nothing by itself. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }));
}

/** Make a button that has an icon, and a text that may be for the ear alone. */
export function button(label, { icon: name, quiet = false, ...attributes } = {}) {
  const look = attributes.class ? `button ${attributes.class}` : "button";
  return h("button", {
    type: "button", ...attributes, class: quiet ? `${look} icon-only` : look,
    "aria-label": quiet ? label : null, title: quiet ? label : attributes.title,
  }, name ? icon(name) : null, quiet ? null : h("span", {}, label));
}

/** Have a screen reader say something when it is idle. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Whether keys go into what is focused. */
export function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

/** Call a function once, soon after the last of several reasons to. */
export function later(milliseconds, work) {
  let timer = null;
  const call = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds, ...values);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

/** Call a function once in the next frame, however often it is asked for. */
export function nextFrame(work) {
  let frame = null;
  return () => {
    frame ??= requestAnimationFrame(() => { frame = null; work(); });
  };
}
