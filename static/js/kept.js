// Somebody comes back to the gallery, by the browser's history or from another tab: asks which of the images that it
// shows are still there, takes down those that were deleted meanwhile, and draws each heart as it is now.
// Says "gone" on the document when tiles were taken down, then "wall-changed"; "favourite" when hearts have changed.

const bar = document.querySelector("[data-selection]");
const most = Number(bar.dataset.most); // images that a form may name
const say = (name) => document.dispatchEvent(new CustomEvent(name));
let looking = false;

async function answer(tiles) {
  const body = new URLSearchParams({ ids: tiles.map((tile) => tile.id).join(",") });
  const headers = { "HX-Request": "true", "X-CSRFToken": bar.elements.csrfmiddlewaretoken.value };
  const response = await fetch(bar.dataset.kept, { method: "POST", body, headers });
  if (!response.ok || response.headers.has("HX-Redirect")) throw new Error(response.status);
  return (await response.json()).kept;
}

function compare(tiles, kept) {
  const gone = tiles.filter((tile) => !(tile.id in kept));
  for (const tile of gone) {
    tile.hidden = true;
    tile.querySelector(".tile-check input").checked = false;
  }
  for (const tile of tiles) {
    const heart = tile.querySelector("[data-favourite]");
    if (!(tile.id in kept) || heart.getAttribute("aria-pressed") === String(kept[tile.id])) continue;
    heart.setAttribute("aria-pressed", kept[tile.id]);
    heart.value = kept[tile.id] ? "0" : "1";
    heart.title = kept[tile.id] ? "Remove from favourites" : "Add to favourites";
  }
  return gone.length;
}

async function look() {
  if (looking) return;
  looking = true;
  try {
    const tiles = [...document.querySelectorAll("[data-tile]:not([hidden])")];
    let gone = 0;
    for (let at = 0; at < tiles.length; at += most) {
      const some = tiles.slice(at, at + most);
      gone += compare(some, await answer(some));
    }
    say("favourite");
    if (!gone) return;
    say("gone");
    say("wall-changed");
    // Nothing is left to look at: the page itself says so.
    if (gone === tiles.length && !document.querySelector("[data-more]")) location.reload();
  } catch {
    // No network, or nobody is logged in any more: whatever is pressed says so.
  } finally {
    looking = false;
  }
}

addEventListener("pageshow", ({ persisted }) => {
  const way = performance.getEntriesByType("navigation")[0]?.type;
  if (persisted || way === "back_forward") look();
});
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
document.addEventListener("htmx:historyRestore", look);
