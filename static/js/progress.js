// Keeps the page after a checkout true: asks how the order stands, and at once when the balance changes. It only shows.

const OFTEN_MS = 1500;
const SELDOM_MS = 10_000;
const PATIENCE_MS = 60_000; // then it asks seldom: a bank debit takes days
const LATE_MS = 20_000;

const place = document.querySelector("[data-progress]");
const begun = performance.now();
let timer = null;
let asking = false;

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  const isDone = await look();
  asking = false;
  const waited = performance.now() - begun;
  const late = place.querySelector("[data-late]");
  if (late) late.hidden = waited < LATE_MS;
  if (!isDone) timer = setTimeout(ask, waited < PATIENCE_MS ? OFTEN_MS : SELDOM_MS);
}

async function look() {
  try {
    const response = await fetch(place.dataset.progress, { headers: { Accept: "application/json" } });
    if (response.redirected || response.status === 401) location.reload(); // the session has ended
    if (!response.ok || response.redirected) return response.status === 404;
    show(await response.json());
  } catch {
    // No network: the next look may have one.
  }
  return place.dataset.done === "true";
}

function show({ state, done, html }) {
  place.dataset.done = done;
  if (state === place.dataset.state) return;
  place.dataset.state = state;
  place.innerHTML = html;
  document.title = `${place.querySelector("h1").textContent} · ${document.title.split(" · ").at(-1)}`;
}

document.addEventListener("balance", () => {
  if (place.dataset.done !== "true") ask();
});
timer = setTimeout(ask, OFTEN_MS);
