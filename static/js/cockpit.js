// The admin's first page, kept up to date while somebody may be looking at it: it is fetched anew, and what is shown
// changes place with what came. Not while something in it has the focus, or a button of it is being pressed.

const EVERY_MS = 5000;
const LATE_MS = 15_000;

const shown = document.querySelector("[data-cockpit]");
let isPressed = false;

shown.addEventListener("pointerdown", () => {
  isPressed = true;
});
addEventListener("pointerup", () => setTimeout(() => (isPressed = false), 1000));
shown.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button) setTimeout(() => (button.disabled = true)); // once it is sent
});

async function look() {
  if (!document.hidden && !isPressed && !shown.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(LATE_MS) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-cockpit]");
      if (answer.ok && fresh && !isPressed && !shown.contains(document.activeElement)) {
        shown.replaceChildren(...fresh.childNodes);
        shown.removeAttribute("data-stale");
      }
    } catch {
      shown.dataset.stale = "";
    }
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
