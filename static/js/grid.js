// The wall by keyboard: one tile is a tab stop, the arrows lead to the others by rows and columns.
// On F it says "heart" {tiles} on the document, on Delete "throw" {tiles}.

const visible = () => [...document.querySelectorAll("[data-tile]:not([hidden], .is-held)")];
const linkOf = (tile) => tile.querySelector(".tile-link");
const middle = (tile) => tile.offsetLeft + tile.offsetWidth / 2;
let current = null;

function mark(tile, stop) {
  for (const part of tile.querySelectorAll("a, button, input[type=checkbox]")) part.tabIndex = stop ? 0 : -1;
}

function rove(tile) {
  if (current && current !== tile) mark(current, false);
  current = tile;
  if (tile) mark(tile, true);
}

function sync() {
  const tiles = visible();
  for (const tile of tiles) if (tile !== current) mark(tile, false);
  rove(tiles.includes(current) ? current : tiles[0]);
  for (const hint of document.querySelectorAll("[data-gallery-keys]")) hint.hidden = false;
}

function across(tiles, at, step) {
  const top = tiles[at].offsetTop;
  let row = at;
  while (tiles[row] && tiles[row].offsetTop === top) row += step;
  if (!tiles[row]) return step > 0 ? tiles.at(-1) : null;
  const other = tiles[row].offsetTop;
  const inRow = tiles.filter((tile) => tile.offsetTop === other);
  const here = middle(tiles[at]);
  return inRow.reduce((best, tile) => (Math.abs(middle(tile) - here) < Math.abs(middle(best) - here) ? tile : best));
}

function target(key, tile) {
  const tiles = visible();
  const at = tiles.indexOf(tile);
  if (key === "ArrowLeft") return tiles[at - 1];
  if (key === "ArrowRight") return tiles[at + 1];
  if (key === "ArrowUp") return across(tiles, at, -1);
  if (key === "ArrowDown") return across(tiles, at, 1);
  if (key === "Home") return tiles[0];
  if (key === "End") return tiles.at(-1);
  return null;
}

document.addEventListener("keydown", (event) => {
  const tile = event.target.closest?.("[data-tile]");
  if (!tile || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(Arrow|Home$|End$)/.test(event.key)) {
    event.preventDefault();
    const next = target(event.key, tile);
    if (!next) return;
    linkOf(next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    document.dispatchEvent(new CustomEvent("walked", { detail: { from: tile, to: next, extend: event.shiftKey } }));
  } else if (event.key.toLowerCase() === "f" && !event.repeat) {
    event.preventDefault();
    document.dispatchEvent(new CustomEvent("heart", { detail: { tiles: [tile] } }));
  } else if (event.key === "Delete") {
    event.preventDefault();
    document.dispatchEvent(new CustomEvent("throw", { detail: { tiles: [tile] } }));
  }
});

document.addEventListener("focusin", (event) => {
  const tile = event.target.closest("[data-tile]");
  if (tile) rove(tile);
});
document.addEventListener("tiles", sync);
document.addEventListener("wall-changed", sync);
sync();
