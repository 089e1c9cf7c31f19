// Ctrl+Enter or ⌘+Enter in a text box sends its form.

const isApple = /Mac|iPhone|iPad/.test(navigator.platform);

for (const box of document.querySelectorAll("[data-submit-key]")) {
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      box.form.requestSubmit();
    }
  });
}
for (const hint of document.querySelectorAll("[data-shortcut]")) {
  hint.textContent = isApple ? "⌘ ↵" : "Ctrl ↵";
  hint.hidden = matchMedia("(hover: none)").matches;
}
