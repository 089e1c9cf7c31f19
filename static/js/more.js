// Brings older images as their link comes near, and comes back to the place that was left.
// Rows that stand never move: while older images follow, a last row that is not full waits for them.
// Says "tiles" {fresh} on the document when the wall has changed; on "want-more" it brings older images at once.

const MOVES = ["wheel", "touchmove", "keydown", "pointerdown"]; // of somebody who goes on
const SETTLED = 30; // frames

const footer = document.querySelector(".footer");
let wall = null;
let link = null;
let width = 0;
let busy = false;
let returning = false; // to the place that was left: what is shown on the way is none

const near = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && fetchMore(), {
  rootMargin: "700px 0px",
});
const resized = new ResizeObserver(([entry]) => {
  const now = entry.contentRect.width;
  if (now !== width) requestAnimationFrame(holdBack);
  width = now;
});

const say = (fresh) => document.dispatchEvent(new CustomEvent("tiles", { detail: { fresh } }));
const tiles = () => [...wall.querySelectorAll("[data-tile]:not([hidden])")];

function holdBack() {
  if (!wall?.isConnected) return;
  for (const tile of wall.querySelectorAll(".is-held")) tile.classList.remove("is-held");
  wall.classList.toggle("is-full", Boolean(link));
  if (!link) return;
  const all = tiles();
  const top = all.at(-1)?.offsetTop;
  const row = all.filter((tile) => tile.offsetTop === top);
  if (row.length < all.length) for (const tile of row) tile.classList.add("is-held");
}

function settle() {
  const here = document.querySelector("[data-wall]");
  if (here === wall && (here || link === null)) return;
  near.disconnect();
  resized.disconnect();
  wall = here;
  follow(document.querySelector("[data-more]"));
  if (wall) resized.observe(wall);
  holdBack();
  say(true);
}

function follow(next) {
  near.disconnect();
  link = next;
  footer.hidden = Boolean(link); // it would jump away each time that somebody comes near it
  if (link) near.observe(link);
}

async function fetchMore(show = 0) {
  if (!link || busy) return;
  busy = true;
  near.disconnect();
  const asked = link;
  try {
    const url = new URL(asked.href);
    if (show) url.searchParams.set("show", show);
    const response = await fetch(url, { cache: "no-store", headers: { "HX-Request": "true", "HX-Target": "results" } });
    if (!response.ok || response.headers.has("HX-Redirect")) return; // the link still works by hand
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (asked === link && asked.isConnected) add(page);
  } catch {
    // No network: the link stays for a click.
  } finally {
    busy = false;
  }
}

function add(page) {
  const added = [...page.querySelectorAll("[data-tile]")].filter((tile) => !document.getElementById(tile.id));
  wall.append(...added);
  const next = page.querySelector("[data-more]");
  // A new element instead of one that moves: nothing that somebody sees jumps.
  if (next) link.parentElement.replaceWith(next.parentElement);
  else link.parentElement.remove();
  follow(next);
  holdBack();
  remember();
  say(false);
}

const topOf = (tile) => Math.round(tile.getBoundingClientRect().top);

function remember() {
  if (!wall || returning) return;
  const first = tiles().find((tile) => tile.getBoundingClientRect().bottom > 0); // the place, whatever goes above it
  const place = first && { id: first.id, top: topOf(first) };
  history.replaceState({ ...history.state, shown: wall.childElementCount, y: Math.round(scrollY), place }, "");
}

// More than the server gives at once is fetched in parts. Whoever scrolls meanwhile stays where they are then.
async function comeBack() {
  const { shown = 0, y = 0, place } = history.state ?? {};
  const way = performance.getEntriesByType("navigation")[0]?.type;
  if (!wall || way === "navigate" || wall.childElementCount >= shown) return;
  returning = true;
  const stay = () => (returning = false);
  for (const move of MOVES) addEventListener(move, stay, { passive: true, once: true });
  for (let before = -1; link && wall.childElementCount < shown && wall.childElementCount > before; ) {
    before = wall.childElementCount;
    await fetchMore(shown - before);
  }
  for (const move of MOVES) removeEventListener(move, stay);
  if (!returning) return;
  const tile = document.getElementById(place?.id ?? "");
  if (tile && wall.contains(tile)) scrollBy(0, topOf(tile) - place.top);
  else scrollTo(0, y);
  returning = false;
}

// From an image's page: to its tile, with the focus on it. A browser takes the focus away when it goes to the address's
// fragment by itself, some frames before or after it has loaded: so it is given until it stays, or somebody does something.
async function land() {
  const tile = location.hash && document.getElementById(location.hash.slice(1));
  const way = performance.getEntriesByType("navigation")[0]?.type;
  if (way !== "navigate" || !tile || !wall?.contains(tile)) return;
  const link = tile.querySelector(".tile-link");
  let moved = false;
  for (const move of MOVES) addEventListener(move, () => (moved = true), { passive: true, once: true });
  for (let frames = 0; frames < SETTLED && !moved && link.isConnected; frames++) {
    if (document.activeElement !== link) {
      tile.scrollIntoView({ block: "center" });
      link.focus({ preventScroll: true });
      frames = 0;
    }
    if (document.readyState !== "complete") frames = 0;
    await new Promise(requestAnimationFrame);
  }
}

let pending = 0;
const rememberSoon = () => {
  if (pending) return;
  pending = setTimeout(() => {
    pending = 0;
    remember();
  }, 400);
};
addEventListener("scroll", rememberSoon, { passive: true });
document.addEventListener("want-more", () => fetchMore());
document.addEventListener("wall-changed", holdBack);
document.addEventListener("htmx:afterSettle", settle);
document.addEventListener("htmx:historyRestore", settle);
document.addEventListener("click", remember, { capture: true }); // it may lead away before the place is kept
addEventListener("pagehide", remember);
settle();
comeBack();
land();
