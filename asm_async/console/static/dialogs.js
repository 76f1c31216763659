// Questions and help, above the page.

import { button, h } from "./dom.js";

/** Ask before something is done; a failure is said, and the dialog stays. */
export function ask({ title, body, confirm, work, isDangerous = false }) {
  const failure = h("p", { class: "failure", role: "alert", hidden: true });
  const yes = h("button", { class: isDangerous ? "button danger" : "button primary" }, confirm);
  const form = h("form", { method: "dialog" },
    h("h2", { id: "question" }, title), body, failure,
    h("div", { class: "actions" }, button("Cancel", { on: { click: () => dialog.close() } }), yes));
  const dialog = open(form, "question");
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    yes.disabled = true;
    try {
      await work();
      dialog.close();
    } catch (error) {
      failure.textContent = error.message;
      failure.hidden = false;
    }
    yes.disabled = false;
  });
}

function open(content, labelledBy) {
  const back = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": labelledBy }, content);
  dialog.addEventListener("click", (click) => { if (click.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (back?.isConnected) back.focus({ preventScroll: true });
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const KEYS = [
  ["Everywhere", [["/", "Search sessions"], ["f", "Find in the session"], ["g", "Sessions"], ["u", "Usage"], ["?", "This help"], ["Esc", "Close, or back to the list"]]],
  ["In the list", [["j  k", "Next, previous (arrows, too)"], ["Enter", "Open"], ["Home  End", "First, last that was read"]]],
  ["In a transcript", [["j  k", "Next, previous event"], ["Enter", "Raw event"], ["o", "Unfold or fold"], ["Home  End", "First, latest"], ["n  N", "Next, previous found"], ["e  E", "Next, previous error"], ["y", "Copy a link to the event"]]],
];

/** Show what the keys do. */
export function showHelp() {
  if (document.querySelector("dialog[open] .keys")) return;
  const form = h("form", { method: "dialog" }, h("h2", { id: "keys-title" }, "Keyboard shortcuts"),
    h("div", { class: "keys" }, KEYS.map(([where, keys]) => h("section", {}, h("h3", {}, where),
      h("dl", {}, keys.map(([key, meaning]) => h("div", {}, h("dt", {}, key.split("  ").map((each) => [h("kbd", {}, each), " "])), h("dd", {}, meaning))))))),
    h("div", { class: "actions" }, h("button", { class: "button" }, "Close")));
  open(form, "keys-title");
}
