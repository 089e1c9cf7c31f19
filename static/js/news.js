// A page that shows something under way looks for news of it, and shows itself anew when there is some.

const FIRST_MS = 1000;
const LONGEST_MS = 15000;

const place = document.querySelector("[data-news]");

async function look(pause) {
  try {
    if (document.visibilityState === "visible") {
      const response = await fetch(place.dataset.news);
      if (response.ok && !response.redirected && (await response.json()).state !== place.dataset.state) {
        return location.reload();
      }
    }
  } catch {
    // No network: the next look may have one.
  }
  const next = Math.min(LONGEST_MS, pause * 1.3);
  setTimeout(look, next, next);
}

setTimeout(look, FIRST_MS, FIRST_MS);
