// The switch between light and dark. The choice is a cookie, so that the server sends the right theme at once; choosing
// what the system prefers anyway forgets the choice.

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const current = () => root.dataset.theme || (system.matches ? "dark" : "light");

function choose(theme) {
  const isSystem = theme === (system.matches ? "dark" : "light");
  if (isSystem) {
    delete root.dataset.theme;
    document.cookie = "theme=; path=/; max-age=0; samesite=lax";
  } else {
    root.dataset.theme = theme;
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  }
  document.querySelector('meta[name="color-scheme"]').content = isSystem ? "light dark" : theme;
  const paper = theme === "dark" ? "#110f0c" : "#fbf8f4";
  for (const meta of document.querySelectorAll('meta[name="theme-color"]')) meta.content = paper;
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.hidden = false;
  button.addEventListener("click", () => choose(current() === "dark" ? "light" : "dark"));
}
