// The keys of an image's page: F favourite, D download, Delete asks, ← and → newer and older, Escape the gallery.

const dialog = document.querySelector("#delete-dialog");
const press = (selector) => () => document.querySelector(selector)?.click();

const actions = {
  f: press("[data-favourite] button"),
  d: press("[data-key-download]"),
  Delete: () => dialog.showModal(),
  ArrowLeft: press("[data-key-newer]"),
  ArrowRight: press("[data-key-older]"),
  Escape: press("[data-key-back]"),
};

function onKey(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (dialog.open || document.querySelector("[data-menu][open]")) return;
  if (event.target.closest("input, textarea, select")) return;
  const action = actions[event.key] ?? actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

document.addEventListener("keydown", onKey, { capture: true }); // before an open menu closes on its Escape

document.querySelector("[data-keys]").hidden = false;

// From the lightbox, whose address is this page's, one gets here by what browsers take for a reload of that step of the
// history: Back to the gallery then changes the address and loads nothing.
const { pathname } = location;
addEventListener("popstate", () => location.pathname !== pathname && location.reload());
