// The page: which views there are, and the keys that work in all of them.

import { announce, h, icon, isTyping } from "./dom.js";
import { adjust, catchLinks, filtersOf, go, hrefOf, selection } from "./address.js";
import { showHelp } from "./dialogs.js";
import { connection, read } from "./requests.js";
import { EventPanel } from "./session/event-panel.js";
import { SessionView } from "./session/view.js";
import { sidebar } from "./sessions/sidebar.js";
import { themeSwitch } from "./theme.js";
import { UsageView } from "./usage/view.js";

const place = (id) => document.getElementById(id);

function start(about) {
  const bar = sidebar(place("sidebar"), about);
  const panel = new EventPanel(place("panel"), (sequence) => {
    const pane = view?.pane;
    if (pane && sequence) pane.scroller.rowOf(sequence)?.focus({ preventScroll: true });
  });
  let view = null;
  let viewKey;

  place("database").textContent = [about.database.name, about.read_only ? "read-only" : null].filter(Boolean).join(" · ");

  function show() {
    const chosen = selection();
    const isUsage = chosen.view === "usage";
    const key = isUsage ? "usage" : chosen.session ? `session ${chosen.session}` : "none";
    const { classList } = place("frame");
    classList.toggle("on-usage", isUsage);
    classList.toggle("on-session", !isUsage && Boolean(chosen.session));
    for (const link of document.querySelectorAll(".views a")) {
      const isCurrent = (link.dataset.view === "usage") === isUsage;
      if (isCurrent) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    bar.show();
    if (key !== viewKey) {
      const isFirst = viewKey === undefined;
      viewKey = key;
      view?.close();
      panel.hide();
      view = isUsage ? new UsageView() : chosen.session
        ? new SessionView(chosen.session, { about, collection: bar.collection, panel }) : null;
      place("main").replaceChildren(view ? view.element : welcome());
      if (!view) document.title = "Agent sessions";
      if (!isFirst) announce(document.title);
      // Where the list makes way for a session, the focus goes along.
      if (!isFirst && view && !bar.list.element.checkVisibility()) view.focusTitle();
      if (!isFirst && !view && bar.list.element.checkVisibility()) bar.list.focus();
    }
    view?.show(chosen);
  }

  addEventListener("selection", show);
  addEventListener("keydown", (key) => onKey(key, { bar, panel, view }));
  show();
}

function welcome() {
  return h("div", { class: "empty welcome" }, h("h1", {}, "Choose a session"),
    h("p", {}, "Its transcript, runs, tokens and cost appear here, live while it runs."),
    h("p", { class: "small" }, h("kbd", {}, "/"), " searches, ", h("kbd", {}, "j"), " and ", h("kbd", {}, "k"), " go through the list, ", h("kbd", {}, "?"), " shows all keys."));
}

function onKey(key, { bar, panel, view }) {
  if (key.defaultPrevented || key.ctrlKey || key.metaKey || key.altKey) return;
  // A dialog that is modal has all keys, Escape among them.
  if (document.querySelector("dialog:modal")) return;
  if (isTyping(key.target)) {
    if (key.key === "Escape") key.target.blur();
    return;
  }
  const pane = selection().tab || selection().view === "usage" ? null : view?.pane;
  const command = pane && !bar.list.element.contains(document.activeElement) && paneKey(key.key, pane, panel) || pageKey(key.key, bar, panel, pane);
  if (!command) return;
  key.preventDefault();
  command();
}

function pageKey(key, bar, panel, pane) {
  return {
    "/": () => { adjust({ view: null }); showList(); bar.search.focus(); },
    "?": showHelp,
    f: pane && (() => pane.finder.focus()),
    g: () => { adjust({ view: null }); showList(); bar.list.focus(); },
    u: () => go({ ...filtersOf(selection()), view: "usage" }),
    j: () => bar.list.step(1),
    k: () => bar.list.step(-1),
    Escape: () => {
      if (panel.isOpen) panel.dismiss();
      else if (bar.list.element.checkVisibility()) bar.list.focus();
      else if (selection().session) adjust({ session: null, at: null, tab: null, raw: null });
    },
  }[key];
}

// On a small screen the list is seen only where no session is open.
function showList() {
  if (!place("sidebar").checkVisibility()) adjust({ session: null, at: null, tab: null, raw: null });
}

function paneKey(key, pane, panel) {
  const { scroller } = pane;
  const isOn = scroller.element.contains(document.activeElement);
  const row = isOn ? document.activeElement.closest(".entry") : null;
  const isRow = row && row === document.activeElement;
  return {
    j: () => scroller.step(1),
    k: () => scroller.step(-1),
    Home: isOn && (() => pane.goTo(pane.log.first, { focus: true })),
    End: isOn && (() => pane.scroller.showLatest({ mark: true, focus: true })),
    Enter: isRow && (() => scroller.open(Number(row.dataset.sequence))),
    o: row && (() => { const fold = row.querySelector(".body > details"); if (fold) fold.open = !fold.open; else row.querySelector(".more")?.click(); }),
    n: () => pane.finder.step(1),
    N: () => pane.finder.step(-1),
    e: () => pane.finder.nextError(1),
    E: () => pane.finder.nextError(-1),
    y: row && (() => copyLink(row.dataset.sequence)),
    f: () => pane.finder.focus(),
    Escape: panel.isOpen ? () => panel.dismiss() : undefined,
  }[key];
}

async function copyLink(sequence) {
  const link = new URL(hrefOf({ session: selection().session, at: sequence }), document.baseURI);
  try {
    await navigator.clipboard.writeText(link.href);
    announce("The link was copied");
  } catch {
    announce("The link was not copied: the browser forbids it");
  }
}

function showConnection() {
  const { isReachable } = connection;
  const status = place("connection");
  status.classList.toggle("bad", !isReachable);
  status.replaceChildren(h("span", { class: "dot", "aria-hidden": "true" }), isReachable ? "Live" : "Not reachable");
  const outage = place("outage");
  outage.hidden = isReachable;
  outage.replaceChildren(isReachable ? "" : h("span", {}, icon("interrupted"), " The server is not reachable. What you see may be old; it goes on by itself as soon as the server is back."));
}

async function begin() {
  themeSwitch(place("theme"));
  place("help").append(icon("help"));
  place("help").addEventListener("click", showHelp);
  connection.addEventListener("change", showConnection);
  showConnection();
  catchLinks();
  try {
    start(await read("api/about"));
  } catch (error) {
    place("main").replaceChildren(h("div", { class: "empty" }, h("h1", {}, "The console cannot begin"), h("p", { role: "alert" }, error.message)));
    connection.addEventListener("back", () => location.reload(), { once: true });
  }
}

begin();
