// The gallery's filters: their panels, presets of days, the key / for the search, and a word on what was found.
// htmx, which shows what they find without leaving the page, comes when somebody first reaches for them: it is the
// heaviest file by far, and most visits only look. Until it is there the form and the links work by themselves.

const announcer = document.querySelector("[data-announce]");
const panels = () => document.querySelectorAll("[data-filter][open]");

function closeAll(except) {
  for (const panel of panels()) if (panel !== except) panel.open = false;
}

function sync() {
  for (const part of document.querySelectorAll("[data-presets], [data-search-key]")) part.hidden = false;
  for (const panel of document.querySelectorAll("[data-filter]")) {
    panel.classList.toggle(
      "is-set",
      [...panel.querySelectorAll("[type=date]")].some((input) => input.value),
    );
  }
}

document.addEventListener(
  "toggle",
  (event) => event.target.matches("[data-filter]") && event.target.open && closeAll(event.target),
  true,
);
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
  } else if (
    event.key === "/" &&
    !event.ctrlKey &&
    !event.metaKey &&
    !event.target.closest("input:not([type=checkbox], [type=radio]), textarea, dialog")
  ) {
    const search = document.querySelector("#q");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  }
});

document.addEventListener("tiles", (event) => {
  sync();
  if (event.detail.fresh) {
    const count = Number(document.querySelector("[data-wall]")?.dataset.count ?? 0);
    const more = document.querySelector("[data-more]") ? ", and more as you scroll" : "";
    announcer.textContent = count ? `${count} image${count === 1 ? "" : "s"}${more}.` : "No image matches.";
  }
});
sync();

const AREA = "#filters, .active-filters, [data-none]";
let coming = false;
let missed = false; // something was typed or chosen before htmx was there

function bring(event) {
  if (event && !event.target.closest?.(AREA)) return;
  if (event?.type === "input" || event?.type === "change") missed = true;
  if (coming) return;
  coming = true;
  // Sooner than "load" it would wait for a DOMContentLoaded that is over.
  if (document.readyState === "complete") load();
  else addEventListener("load", load);
}

function load() {
  const script = document.createElement("script");
  script.src = document.querySelector("[data-htmx]").dataset.htmx;
  script.addEventListener("load", () => {
    for (const type of reaches) document.removeEventListener(type, bring);
    if (missed) window.htmx.trigger("#filters", "submit");
  });
  document.head.append(script);
}

const reaches = ["pointerover", "touchstart", "focusin", "input", "change"];
for (const type of reaches) document.addEventListener(type, bring, { passive: true });
// A step of the history that htmx made before a reload; the lightbox, which listens first, keeps its own to itself.
addEventListener("popstate", (event) => !window.htmx && event.state?.htmx && location.reload());
