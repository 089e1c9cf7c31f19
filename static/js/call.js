// "Copy as API call": fetches the code for the composer's settings, or for an earlier image's, and shows it in a dialog
// with a tab for each language. On a page of its own the same parts get the same tabs.

const dialog = document.querySelector("[data-call-dialog]");
const CHOICE = "call-language"; // remembered from one time to the next

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-api-call]");
  if (!opener || !dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const call = await fetchCall(opener);
  if (!call) return;
  dialog.querySelector("[data-call-body]").innerHTML = call;
  arrange(dialog);
  dialog.showModal();
});

async function fetchCall(opener, isAgain = false) {
  const asked = opener.form ? { method: "POST", body: new FormData(opener.form) } : {};
  try {
    const response = await fetch(opener.formAction ?? opener.href, {
      ...asked,
      headers: { Accept: "application/json" },
    });
    const { html, errors, login, csrf } = await response.json();
    if (login) location.assign(login);
    if (csrf && opener.form && !isAgain) {
      opener.form.elements.csrfmiddlewaretoken.value = csrf;
      return await fetchCall(opener, true);
    }
    if (errors) document.dispatchEvent(new CustomEvent("refused", { detail: { errors } }));
    return html;
  } catch {
    const errors = { __all__: ["The code could not be loaded. Check your connection, or reload the page."] };
    document.dispatchEvent(new CustomEvent("refused", { detail: { errors } }));
    return null;
  }
}

// --- Tabs

function arrange(place) {
  const call = place.querySelector("[data-call]");
  const parts = [...call.querySelectorAll("[data-call-part]")];
  const list = Object.assign(document.createElement("div"), { className: "call-tabs", role: "tablist" });
  list.setAttribute("aria-label", "Language");
  const tabs = parts.map((part, number) => tabOf(part, number));
  list.append(...tabs);
  parts[0].before(list);
  const choose = (number, isByHand) => {
    for (const [other, tab] of tabs.entries()) {
      tab.setAttribute("aria-selected", String(other === number));
      tab.tabIndex = other === number ? 0 : -1;
    }
    for (const [other, part] of parts.entries()) part.hidden = other !== number;
    if (isByHand) remember(parts[number].dataset.callPart);
  };
  list.addEventListener("click", (event) => choose(tabs.indexOf(event.target.closest("[role=tab]")), true));
  list.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = (tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length;
    choose(next, true);
    tabs[next].focus();
  });
  choose(
    Math.max(
      0,
      parts.findIndex((part) => part.dataset.callPart === remembered()),
    ),
    false,
  );
  for (const button of call.querySelectorAll("[data-call-copy]")) button.hidden = false;
}

function tabOf(part, number) {
  const tab = Object.assign(document.createElement("button"), {
    type: "button",
    role: "tab",
    id: `call-tab-${number}`,
  });
  tab.textContent = part.dataset.callPart;
  part.id = `call-part-${number}`;
  part.setAttribute("role", "tabpanel");
  part.setAttribute("aria-labelledby", tab.id);
  part.removeAttribute("aria-label");
  tab.setAttribute("aria-controls", part.id);
  return tab;
}

function remember(language) {
  try {
    localStorage.setItem(CHOICE, language);
  } catch {
    // Storage is forbidden: the first tab comes first each time.
  }
}

function remembered() {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

// --- Copying, and closing with a click beside the dialog

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-call-copy]");
  if (!button) return;
  const label = button.querySelector("[data-call-copy-label]");
  label.textContent = (await copy(button.closest("[data-call-part]").querySelector("code")))
    ? "Copied"
    : "Selected: press Ctrl+C";
  setTimeout(() => (label.textContent = "Copy"), 2500);
});

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    // Without HTTPS, or without permission: select it, so that one key press does it.
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

dialog?.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

if (!dialog) arrange(document);
