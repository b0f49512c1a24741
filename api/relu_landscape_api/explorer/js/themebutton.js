// The button of the top bar that changes between light and dark.

import { $ } from "./dom.js";

/** Make it work; `redraw` is called when the theme has changed. */
export function themeButton(redraw) {
  const button = $("theme");
  const root = document.documentElement.dataset;
  const mark = () => button.setAttribute("aria-pressed", String(root.theme === "dark"));
  button.addEventListener("click", () => {
    root.theme = root.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("relu-landscape-theme", root.theme);
    } catch {
      // Storage can be forbidden; the choice then lasts as long as the page.
    }
    mark();
    redraw();
  });
  mark();
}
