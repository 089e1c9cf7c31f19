// Ctrl+Enter or ⌘+Enter in a text box sends its form; / goes to the page's box for writing.

const isApple = /Mac|iPhone|iPad/.test(navigator.platform);
const slash = document.querySelector("[data-slash]");

for (const box of document.querySelectorAll("[data-submit-key]")) {
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!event.repeat) box.form.requestSubmit();
  });
}

document.addEventListener("keydown", (event) => {
  if (!slash || event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]")) return;
  if (document.querySelector("dialog[open]")) return;
  event.preventDefault();
  slash.focus();
  slash.setSelectionRange(slash.value.length, slash.value.length);
});

for (const hint of document.querySelectorAll("[data-shortcut]")) {
  hint.textContent = isApple ? "⌘ ↵" : "Ctrl ↵";
}
