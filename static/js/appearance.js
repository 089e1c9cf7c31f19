// The choice of a theme takes effect at once; without this its form is sent.

const form = document.querySelector("[data-appearance]");
const root = document.documentElement;

function choose(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  const seconds = theme ? 31536000 : 0;
  document.cookie = `theme=${theme}; path=/; max-age=${seconds}; samesite=lax`;
  document.querySelector('meta[name="color-scheme"]').content = theme || "light dark";
}

form.querySelector("[data-appearance-save]").hidden = true;
form.addEventListener("change", (event) => choose(event.target.value));

// The switch in the top bar chooses too.
new MutationObserver(() => {
  const theme = root.dataset.theme ?? "";
  for (const radio of form.elements.theme) radio.checked = radio.value === theme;
}).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
