// Runs before the page is painted, so that a chosen theme does not flash.
"use strict";
try {
  const theme = localStorage.getItem("asm-console-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; then the system's theme it is.
}
