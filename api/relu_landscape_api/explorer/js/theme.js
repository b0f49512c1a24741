// Runs before the first paint, so that no page flashes in the wrong theme.
(function () {
  let stored = null;
  try {
    stored = localStorage.getItem("relu-landscape-theme");
  } catch {
    // Storage can be forbidden; the system's preference serves then.
  }
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = stored || (dark ? "dark" : "light");
})();
