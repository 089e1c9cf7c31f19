// A button with data-copy="#id" copies that element's text and says so.

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.querySelector("[data-copy-label]");
  const words = label.textContent;
  label.setAttribute("aria-live", "polite");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.querySelector(button.dataset.copy);
    label.textContent = (await copy(source)) ? "Copied" : "Selected: press Ctrl+C";
    setTimeout(() => (label.textContent = words), 2500);
  });
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    return true;
  } catch {
    // Without HTTPS, or without permission: select it, so that one key press does it.
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}
