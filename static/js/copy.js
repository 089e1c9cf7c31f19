// A button with data-copy="#id" copies that element's text and says so.

function prepare(part) {
  for (const button of part.querySelectorAll("[data-copy]")) {
    const label = button.querySelector("[data-copy-label]");
    const words = label.textContent;
    label.setAttribute("aria-live", "polite");
    button.hidden = false;
    button.onclick = async () => {
      const source = document.querySelector(button.dataset.copy);
      label.textContent = (await copy(source)) ? "Copied" : "Selected: press Ctrl+C";
      setTimeout(() => (label.textContent = words), 2500);
    };
  }
}

prepare(document);
document.addEventListener("htmx:load", (event) => prepare(event.detail.elt)); // what came into the page later

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
