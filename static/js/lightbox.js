// One image large, over the gallery or the studio, or two to four side by side: arrows, buttons and swipes lead on, Back and
// Escape close it. Its address is the image's own page, so it can be sent, and a reload shows the image there.
// It is a step of the browser's history, so that Back on a phone does not leave the page below.

const dialog = document.querySelector("[data-lightbox]");
const part = (name) => dialog.querySelector(`[data-${name}]`);
const SWIPE = 48; // CSS pixels
const AHEAD = 6;
const ZOOMS = [1, 1.5, 2, 3, 4]; // times as large as fits
const MOST = 4; // images side by side

const tiles = () => [...document.querySelectorAll("[data-tile]:not([hidden])")];
const imageOf = (tile) => tile.querySelector("img");
const large = (tile) => imageOf(tile).srcset.split(", ").at(-1).split(" ")[0];
const heartOf = (tile) => tile.querySelector("button[aria-pressed]");
const wordsOf = (tile) =>
  tile.closest("[data-group]")?.dataset.prompt ?? tile.querySelector("[data-prompt]").textContent;
let current = null;
let side = 1; // how many stand side by side
let zoom = 1;
let touch = null;
let leaving = false;
let waiting = false; // for older images, to go on to the first of them

function layer(source, alt = "") {
  const image = new Image();
  Object.assign(image, { src: source, alt, decoding: "async", draggable: false });
  return image;
}

function pictureOf(tile) {
  const small = imageOf(tile);
  const [width, height] = [small.getAttribute("width"), small.getAttribute("height")];
  const picture = document.createElement(side > 1 ? "button" : "div");
  picture.className = "lightbox-picture";
  if (side > 1)
    Object.assign(picture, { type: "button", title: "Show this one alone", onclick: () => compare(1, tile) });
  picture.style.setProperty("--ratio", width / height);
  picture.style.setProperty("--natural", `${width}px`);
  picture.style.setProperty("--wash", tile.querySelector("rect").getAttribute("fill"));
  const original = layer(tile.dataset.full, small.alt);
  original.className = "is-coming";
  const below = [layer(small.currentSrc || small.src), layer(large(tile))];
  picture.append(...below, original);
  // What is there last lies on top, and only then do the others go.
  original.decode().then(
    () => {
      original.classList.remove("is-coming");
      for (const image of below) image.remove();
    },
    () => below[1].setAttribute("alt", small.alt),
  );
  return picture;
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
  enlarge(1);
  const beside = compared();
  part("pictures").dataset.side = beside.length;
  part("pictures").replaceChildren(...beside.map(pictureOf));
  const page = new URL(tile.querySelector(".tile-link").href);
  say(wordsOf(tile));
  part("page").href = page;
  part("download").href = new URL(`${page.pathname}download/`, page);
  part("reuse").href = `${part("reuse").dataset.reuse}?from=${tile.id}`;
  for (const link of dialog.querySelectorAll("[data-source-of]"))
    link.href = `${link.dataset.sourceOf}&source=${tile.id}`;
  part("before-with").hidden = !tile.dataset.before || side > 1;
  part("before-with").setAttribute("aria-pressed", "false");
  syncHeart();
  syncSteps();
  for (const step of [1, -1]) {
    const next = neighbour(step);
    if (next) layer(large(next));
  }
  history.replaceState({ ...history.state, lightbox: tile.id }, "", page);
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
  part("compare").disabled = all.length < 2;
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

// --- Side by side, and closer

// This one with the next older ones: images of one press stand together.
function compared() {
  const all = tiles();
  const from = Math.max(0, Math.min(all.indexOf(current), all.length - side));
  return all.slice(from, from + side);
}

function compare(count, tile = current) {
  side = Math.min(count, tiles().length, MOST);
  const words = side > 1 ? `Compare ${side}` : "Compare";
  part("compare").setAttribute("aria-pressed", side > 1);
  part("compare-words").textContent = words;
  const hadFocus = part("pictures").contains(document.activeElement);
  show(tile);
  if (hadFocus) part("compare").focus();
}

// What an edited image was before, over it.
async function before() {
  const button = part("before-with");
  if (button.hidden) return;
  const tile = current;
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  const picture = part("pictures").firstElementChild;
  if (!on) return picture.querySelector(".before")?.remove();
  const { slider } = await import(button.dataset.beforeWith);
  if (current !== tile || button.getAttribute("aria-pressed") !== "true") return;
  picture.append(slider(tile.dataset.before));
  picture.querySelector("[type=range]").focus({ preventScroll: true });
}

function enlarge(times) {
  const stage = part("stage");
  const [x, y] = [stage.scrollLeft + stage.clientWidth / 2, stage.scrollTop + stage.clientHeight / 2];
  stage.style.setProperty("--zoom", times);
  stage.classList.toggle("is-zoomed", times > 1);
  stage.tabIndex = times > 1 ? 0 : -1; // then it scrolls, by arrows too
  stage.scrollTo((x * times) / zoom - stage.clientWidth / 2, (y * times) / zoom - stage.clientHeight / 2);
  zoom = times;
  part("closer").disabled = times === ZOOMS.at(-1);
  part("farther").disabled = times === 1;
}

function step(by) {
  enlarge(ZOOMS[Math.max(0, Math.min(ZOOMS.indexOf(zoom) + by, ZOOMS.length - 1))]);
}

// --- Opening and closing

function open(tile) {
  history.scrollRestoration = "manual"; // closing leads to where the lightbox has got to
  history.pushState({ ...history.state, lightbox: tile.id }, "");
  dialog.showModal();
  show(tile);
}

function throwAway() {
  if (part("throw").hidden) return;
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

dialog.addEventListener("click", (event) => {
  if (zoom === 1 && event.target.matches("[data-stage], [data-pictures], dialog")) dialog.close();
});
part("close").addEventListener("click", () => dialog.close());
part("newer").addEventListener("click", () => go(-1));
part("older").addEventListener("click", () => go(1));
part("heart").addEventListener("click", () => heartOf(current).click());
part("throw").addEventListener("click", throwAway);
part("closer").addEventListener("click", () => step(1));
part("farther").addEventListener("click", () => step(-1));
part("compare").addEventListener("click", () => compare(side >= MOST || side >= tiles().length ? 1 : side + 1));
part("before-with").addEventListener("click", before);
part("pictures").addEventListener("dblclick", () => side === 1 && enlarge(zoom === 1 ? 2 : 1));

const keys = {
  ArrowLeft: () => go(-1),
  ArrowRight: () => go(1),
  "+": () => step(1),
  "=": () => step(1), // the same key without Shift
  "-": () => step(-1),
  0: () => enlarge(1),
  b: before,
  c: () => part("compare").click(),
  f: () => heartOf(current).click(),
  d: () => part("download").click(),
  Delete: throwAway,
};
dialog.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (zoom > 1 && event.target === part("stage") && event.key.startsWith("Arrow")) return; // it scrolls
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act || (event.repeat && !event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
});

part("stage").addEventListener("touchstart", ({ touches }) => (touch = touches.length === 1 ? touches[0] : null), {
  passive: true,
});
part("stage").addEventListener("touchend", ({ changedTouches: [end] }) => {
  if (!touch || zoom > 1) return;
  const [x, y] = [end.clientX - touch.clientX, end.clientY - touch.clientY];
  if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) go(x < 0 ? 1 : -1);
});

dialog.addEventListener("close", () => {
  const link = current?.querySelector(".tile-link");
  current = null;
  side = 1;
  part("compare").setAttribute("aria-pressed", "false");
  part("compare-words").textContent = "Compare";
  part("pictures").replaceChildren();
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
  if (event.state?.lightbox) {
    if (!dialog.open && !comeBack()) location.reload(); // Forward, to its address: the image's page
    return;
  }
  history.scrollRestoration = "auto";
  if (dialog.open) dialog.close();
});

// Shows the image that this step of the history is about; tells whether its tile is there.
function comeBack() {
  const tile = document.getElementById(history.state?.lightbox ?? "");
  if (dialog.open || !tile?.matches("[data-tile]")) return false;
  dialog.showModal();
  show(tile);
  return true;
}

document.addEventListener("favourite", () => current && syncHeart());
document.addEventListener("tiles", goOn);
document.addEventListener("tiles", () => !leaving && comeBack()); // its tile may be far down
document.addEventListener("gone", () => current?.hidden && dialog.close());
document.addEventListener("wall-changed", syncSteps);
part("throw").hidden = !document.querySelector("[data-selection]"); // who deletes, offers to take it back as well
