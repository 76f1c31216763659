// Server-sent events, for as long as somebody looks at the page.

import { addressOf, connection } from "./requests.js";

const RETRY_MILLISECONDS = 3_000;

/**
 * Follow a path; `parameters()` says from where, whenever the stream is opened anew.
 *
 * A hidden page has no stream: what came meanwhile is told when it is shown again. A
 * stream that breaks is opened anew here, not by the EventSource, which would not do so
 * after a refusal.
 */
export function follow(path, parameters, listeners) {
  let source = null;
  let timer = null;
  let isClosed = false;

  function open() {
    clearTimeout(timer);
    if (isClosed || source || document.hidden || !connection.isReachable) return;
    source = new EventSource(addressOf(path, parameters()));
    source.onopen = () => connection.succeeded();
    source.onerror = () => {
      stop();
      connection.probe();
      timer = setTimeout(open, RETRY_MILLISECONDS);
    };
    for (const [type, listener] of Object.entries(listeners)) {
      source.addEventListener(type, (message) => listener(JSON.parse(message.data)));
    }
  }

  function stop() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  const onVisibility = () => (document.hidden ? stop() : open());
  document.addEventListener("visibilitychange", onVisibility);
  connection.addEventListener("back", open);
  open();
  return {
    close() {
      isClosed = true;
      stop();
      document.removeEventListener("visibilitychange", onVisibility);
      connection.removeEventListener("back", open);
    },
  };
}
