// One image large, over the wall: arrows and swipes lead on, Back and Escape close it.
// It is a step of the browser's history, so that Back on a phone does not leave the gallery.

const dialog = document.querySelector("[data-lightbox]");
const part = (name) => dialog.querySelector(`[data-${name}]`);
const SWIPE = 48; // CSS pixels
const AHEAD = 6;

const tiles = () => [...document.querySelectorAll("[data-tile]:not([hidden])")];
const imageOf = (tile) => tile.querySelector("img");
const large = (tile) => imageOf(tile).srcset.split(", ").at(-1).split(" ")[0];
const heartOf = (tile) => tile.querySelector("[data-favourite]");
let current = null;
let touch = null;
let leaving = false;
let waiting = false; // for older images, to go on to the first of them

function layer(source, alt = "") {
  const image = new Image();
  Object.assign(image, { src: source, alt, decoding: "async", draggable: false });
  return image;
}

function draw(tile) {
  const small = imageOf(tile);
  const [width, height] = [small.getAttribute("width"), small.getAttribute("height")];
  const picture = part("picture");
  picture.style.setProperty("--ratio", width / height);
  picture.style.setProperty("--natural", `${width}px`);
  picture.style.setProperty("--wash", tile.querySelector("rect").getAttribute("fill"));
  const original = layer(tile.dataset.full, small.alt);
  original.className = "is-coming";
  const below = [layer(small.currentSrc || small.src), layer(large(tile))];
  picture.replaceChildren(...below, original);
  // What is there last lies on top, and only then do the others go.
  original.decode().then(
    () => {
      original.classList.remove("is-coming");
      for (const image of below) image.remove();
    },
    () => below[1].setAttribute("alt", small.alt),
  );
}

function say(text) {
  const words = part("words");
  if (words.textContent !== text && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
    words.animate({ opacity: [0, 1] }, { duration: 160, easing: "ease-out" });
  }
  words.tabIndex = -1;
  words.textContent = text;
  words.scrollTop = 0;
  words.tabIndex = words.scrollHeight > words.clientHeight + 1 ? 0 : -1;
}

function show(tile) {
  current = tile;
  waiting = false;
  draw(tile);
  const link = tile.querySelector(".tile-link").href;
  say(tile.querySelector("[data-prompt]").textContent);
  part("page").href = link;
  part("download").href = new URL("download/", link);
  syncHeart();
  syncSteps();
  for (const step of [1, -1]) {
    const beside = neighbour(step);
    if (beside) layer(large(beside));
  }
  history.replaceState({ ...history.state, lightbox: tile.id }, "");
}

function neighbour(step) {
  const all = tiles();
  return all[all.indexOf(current) + step];
}

function syncSteps() {
  if (!current || !dialog.open) return;
  const all = tiles();
  const at = all.indexOf(current);
  part("newer").disabled = at <= 0;
  part("older").disabled = at >= all.length - 1 && !document.querySelector("[data-more]");
  if (at >= all.length - AHEAD) document.dispatchEvent(new CustomEvent("want-more"));
}

function syncHeart() {
  const on = heartOf(current).getAttribute("aria-pressed");
  part("heart").setAttribute("aria-pressed", on);
  part("heart").title = on === "true" ? "Remove from favourites (F)" : "Add to favourites (F)";
}

function go(step) {
  const next = neighbour(step);
  if (next) return show(next);
  waiting = step > 0;
  if (waiting) document.dispatchEvent(new CustomEvent("want-more"));
}

function goOn() {
  if (waiting && dialog.open && neighbour(1)) show(neighbour(1));
  else syncSteps();
}

function open(tile) {
  history.scrollRestoration = "manual"; // closing leads to where the lightbox has got to
  history.pushState({ ...history.state, lightbox: tile.id }, "");
  dialog.showModal();
  show(tile);
}

function throwAway() {
  const tile = current;
  const next = neighbour(1) ?? neighbour(-1);
  document.dispatchEvent(new CustomEvent("throw", { detail: { tiles: [tile], only: true } }));
  if (next) show(next);
  else dialog.close();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".tile-link");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  open(link.closest("[data-tile]"));
});

dialog.addEventListener("click", (event) => event.target.matches("[data-stage], dialog") && dialog.close());
part("close").addEventListener("click", () => dialog.close());
part("newer").addEventListener("click", () => go(-1));
part("older").addEventListener("click", () => go(1));
part("heart").addEventListener("click", () => heartOf(current).click());
part("throw").addEventListener("click", throwAway);

const keys = {
  ArrowLeft: () => go(-1),
  ArrowRight: () => go(1),
  f: () => heartOf(current).click(),
  d: () => part("download").click(),
  Delete: throwAway,
};
dialog.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act || (event.repeat && !event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
});

part("stage").addEventListener("touchstart", ({ touches }) => (touch = touches.length === 1 ? touches[0] : null), {
  passive: true,
});
part("stage").addEventListener("touchend", ({ changedTouches: [end] }) => {
  if (!touch) return;
  const [x, y] = [end.clientX - touch.clientX, end.clientY - touch.clientY];
  if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) go(x < 0 ? 1 : -1);
});

dialog.addEventListener("close", () => {
  const link = current?.querySelector(".tile-link");
  current = null;
  part("picture").replaceChildren();
  if (history.state?.lightbox) {
    leaving = true;
    history.back();
  }
  link?.focus({ preventScroll: true });
  link?.scrollIntoView({ block: "nearest" });
});

// Before htmx hears of it: this step of the history changes nothing that it would have to load.
addEventListener("popstate", (event) => {
  const mine = leaving || dialog.open || event.state?.lightbox;
  if (!mine) return;
  event.stopImmediatePropagation();
  leaving = false;
  if (event.state?.lightbox) return;
  history.scrollRestoration = "auto";
  if (dialog.open) dialog.close();
});

function comeBack() {
  const tile = document.getElementById(history.state?.lightbox ?? "");
  if (!tile || dialog.open) return;
  dialog.showModal();
  show(tile);
}

document.addEventListener("favourite", () => current && syncHeart());
document.addEventListener("tiles", goOn);
document.addEventListener("tiles", () => !leaving && comeBack()); // its tile may be far down
document.addEventListener("gone", () => current?.hidden && dialog.close());
document.addEventListener("wall-changed", syncSteps);
comeBack();
