// Light, dark, or what the system says. A classic script in the head, so that a stored choice
// is in place before the first paint.
(() => {
  const THEMES = ["auto", "light", "dark"];
  const KEY = "holdwire-theme";

  let theme = "auto";
  try {
    theme = localStorage.getItem(KEY) ?? theme;
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  apply(THEMES.includes(theme) ? theme : "auto");

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => (button.textContent = `Theme: ${theme}`);
    label();
    button.addEventListener("click", () => {
      apply(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
      label();
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // As above.
      }
    });
  });

  function apply(next) {
    theme = next;
    document.documentElement.dataset.theme = theme;
  }
})();
