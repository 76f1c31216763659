// Light, dark, or as the system has it; remembered.

import { icon } from "./dom.js";

const KEY = "asm-console-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const ICON = { system: "system", light: "sun", dark: "moon" };

/** Make a button go through the themes. */
export function themeSwitch(button) {
  function show() {
    const theme = document.documentElement.dataset.theme ?? "system";
    button.replaceChildren(icon(ICON[theme]));
    button.setAttribute("aria-label", `Theme: ${theme}`);
    button.title = `Theme: ${theme}. Next: ${NEXT[theme]}`;
    return theme;
  }
  button.addEventListener("click", () => {
    const theme = NEXT[show()];
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Not remembered, where storage is forbidden.
    }
    show();
  });
  show();
}
