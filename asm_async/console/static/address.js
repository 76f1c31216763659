// What is selected stands in the page's address: reload, Back and links work by it.

const LISTS = new Set(["status", "tag"]);
const FILTERS = ["q", "status", "agent", "user", "tenant", "tag", "since", "until", "deleted"];

/** Read the selection from the address. */
export function selection() {
  const parameters = new URLSearchParams(location.search);
  const found = {};
  for (const name of new Set(parameters.keys())) {
    found[name] = LISTS.has(name) ? parameters.getAll(name) : parameters.get(name);
  }
  return found;
}

/** Make the relative address of a selection; what is empty is left out. */
export function hrefOf(wanted) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") parameters.append(name, each);
    }
  }
  const text = parameters.toString();
  return text ? `?${text}` : "./";
}

/** The part of a selection that says which sessions are listed. */
export function filtersOf(wanted) {
  return Object.fromEntries(FILTERS.filter((name) => name in wanted).map((name) => [name, wanted[name]]));
}

/** Link to a session, with the list as it is. */
export function hrefOfSession(id, more = {}) {
  return hrefOf({ ...filtersOf(selection()), session: id, ...more });
}

/**
 * Change the selection and tell the page of it. A change of one's place in what is open
 * (`replace`) makes no entry of its own in the history.
 */
export function go(wanted, { replace = false } = {}) {
  const href = hrefOf(wanted);
  if (replace) history.replaceState(null, "", href);
  else if (href !== (location.search || "./")) history.pushState(null, "", href);
  dispatchEvent(new CustomEvent("selection"));
}

/** Change some of the selection. */
export function adjust(changes, options) {
  go({ ...selection(), ...changes }, options);
}

/** Have a plain click on a link of this page change the selection without a reload. */
export function catchLinks() {
  document.addEventListener("click", (click) => {
    if (click.defaultPrevented || click.button || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    const link = click.target.closest?.("a[href]");
    if (!link || link.hasAttribute("download") || link.target || link.getAttribute("href").startsWith("#")) return;
    const there = new URL(link.href);
    if (there.origin !== location.origin || there.pathname !== location.pathname) return;
    click.preventDefault();
    if (there.search !== location.search) history.pushState(null, "", there.search || "./");
    dispatchEvent(new CustomEvent("selection"));
  });
  addEventListener("popstate", () => dispatchEvent(new CustomEvent("selection")));
}
