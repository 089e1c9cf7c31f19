// The gallery's filters: their panels, presets of days, the key / for the search, and a word on what was found.

const announcer = document.querySelector("[data-announce]");
const panels = () => document.querySelectorAll("[data-filter][open]");

function closeAll(except) {
  for (const panel of panels()) if (panel !== except) panel.open = false;
}

function sync() {
  for (const part of document.querySelectorAll("[data-presets], [data-search-key]")) part.hidden = false;
  for (const panel of document.querySelectorAll("[data-filter]")) {
    panel.classList.toggle("is-set", [...panel.querySelectorAll("[type=date]")].some((input) => input.value));
  }
}

document.addEventListener("toggle", (event) => event.target.matches("[data-filter]") && event.target.open && closeAll(event.target), true);
document.addEventListener("click", (event) => {
  closeAll(event.target.closest("[data-filter]"));
  const preset = event.target.closest("[data-from]");
  if (!preset) return;
  const form = preset.closest("form");
  form.elements.from.value = preset.dataset.from;
  form.elements.to.value = preset.dataset.to;
  form.elements.to.dispatchEvent(new Event("change", { bubbles: true }));
});
document.addEventListener("focusout", (event) => {
  const panel = event.target.closest("[data-filter][open]");
  const next = event.relatedTarget; // what holds the panel gets the focus when somebody presses between its parts
  if (panel && next && !panel.contains(next) && !next.contains(panel)) panel.open = false;
});
document.addEventListener("change", (event) => event.target.closest("#filters") && sync());

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const [open] = panels();
    if (!open) return;
    event.preventDefault();
    open.open = false;
    open.querySelector("summary").focus();
  } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input:not([type=checkbox], [type=radio]), textarea, dialog")) {
    const search = document.querySelector("#q");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  }
});

let first = true;
document.addEventListener("tiles", (event) => {
  sync();
  if (event.detail.fresh && !first) {
    const count = Number(document.querySelector("[data-wall]")?.dataset.count ?? 0);
    const more = document.querySelector("[data-more]") ? ", and more as you scroll" : "";
    announcer.textContent = count ? `${count} image${count === 1 ? "" : "s"}${more}.` : "No image matches.";
  }
  first = false;
});
sync();
