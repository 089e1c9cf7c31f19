// Times as their reader says them: "12 minutes ago", kept true while the page is open, and exact, in the reader's own
// zone, on hover and for screen readers. The server says them in UTC.

const STEPS = [
  ["minute", 60],
  ["hour", 3600],
  ["day", 86400],
];
const WEEK = 7 * 86400;
const ago = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });
const precise = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

function relative(at) {
  const seconds = (at - Date.now()) / 1000;
  const size = Math.abs(seconds);
  if (size < 60) return "just now";
  if (size >= WEEK) return day.format(at);
  const [unit, length] = STEPS.findLast(([, least]) => size >= least);
  return ago.format(Math.trunc(seconds / length), unit);
}

function words(at, how) {
  if (how === "seconds") return precise.format(at);
  if (how === "ago") return relative(at);
  return day.format(at) === day.format(new Date()) ? clock.format(at) : exact.format(at);
}

function tell(place) {
  const at = new Date(place.dateTime);
  const text = words(at, place.dataset.moment);
  if (place.firstChild?.data === text) return;
  place.title = place.dataset.moment === "seconds" ? text : exact.format(at);
  place.replaceChildren(text);
  if (text === place.title) return;
  const whole = document.createElement("span");
  whole.className = "visually-hidden";
  whole.textContent = ` (${place.title})`;
  place.append(whole);
}

function tellAll() {
  for (const place of document.querySelectorAll("time[data-moment]")) tell(place);
}

tellAll();
setInterval(tellAll, 15_000);
addEventListener("pageshow", tellAll);
new MutationObserver(tellAll).observe(document.body, { childList: true, subtree: true });
