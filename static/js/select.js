// What is done with images, with one or with many at once: selects them, makes them favourites, sends them as a ZIP,
// throws them away and takes them back. Listens to "heart" {tiles} and "throw" {tiles}, which mean all that are selected
// when the tile is one of those; says "wall-changed" on the document when tiles were hidden or shown, and "favourite"
// when hearts have changed.

const TOAST_MS = 15000;

const main = document.querySelector("main");
const bar = document.querySelector("[data-selection]");
const toasts = document.querySelector("[data-toasts]");
const words = bar.querySelector("[data-count-words]");
const most = Number(bar.dataset.most);
const trashed = []; // lists of tiles, the last one last: what Undo takes back
let mode = false;
let anchor = null;
let timer = 0;

const tiles = () => [...document.querySelectorAll("[data-tile]:not([hidden], .is-held)")];
const boxOf = (tile) => tile.querySelector(".tile-check input");
const selected = () => tiles().filter((tile) => boxOf(tile).checked);
const images = (count) => (count === 1 ? "Image" : `${count.toLocaleString("en")} images`);
const say = (name) => document.dispatchEvent(new CustomEvent(name));

function update() {
  const count = selected().length;
  if (count) mode = true;
  main.toggleAttribute("data-selecting", mode);
  bar.classList.toggle("is-open", mode);
  const tooMany = count > most;
  const text = tooMany
    ? `${count.toLocaleString("en")} selected: ${most.toLocaleString("en")} at most at once`
    : `${count.toLocaleString("en")} selected`;
  if (words.textContent !== text) words.textContent = text;
  for (const button of bar.querySelectorAll("[type=submit]")) button.disabled = !count || tooMany;
  syncFavour();
  for (const toggle of document.querySelectorAll("[data-select-toggle]")) {
    toggle.hidden = !mode && !tiles().length;
    toggle.setAttribute("aria-pressed", mode);
    toggle.textContent = mode ? "Done" : "Select";
  }
}

function leave() {
  mode = false;
  anchor = null;
  for (const box of document.querySelectorAll(".tile-check input:checked")) box.checked = false;
  update();
}

function pick(tile, on, range) {
  const all = tiles();
  const [from, to] = [all.indexOf(anchor), all.indexOf(tile)].sort((one, other) => one - other);
  if (range && from >= 0) for (const each of all.slice(from, to + 1)) boxOf(each).checked = on;
  boxOf(tile).checked = on;
  anchor = tile;
  update();
}

function selectAll() {
  mode = true;
  for (const tile of tiles().slice(0, most)) boxOf(tile).checked = true;
  update();
}

async function post(address, list, more = {}) {
  const body = new URLSearchParams({ ids: list.map((tile) => tile.id).join(","), ...more });
  const token = bar.elements.csrfmiddlewaretoken.value;
  const response = await fetch(address, {
    method: "POST",
    body,
    headers: { "HX-Request": "true", "X-CSRFToken": token },
  });
  const login = response.headers.get("HX-Redirect");
  const isStale = response.headers.has("HX-Refresh"); // the form's token, after a log-in in another tab
  if (login) location.assign(login);
  else if (isStale) location.reload();
  if (!response.ok || login || isStale) throw new Error(response.status);
  return response.text();
}

// Favourites

const heartOf = (tile) => tile.querySelector("[data-favourite]");
const isFavourite = (tile) => heartOf(tile).getAttribute("aria-pressed") === "true";

function draw(tile, on) {
  heartOf(tile).setAttribute("aria-pressed", on);
  heartOf(tile).value = on ? "0" : "1";
  heartOf(tile).title = on ? "Remove from favourites" : "Add to favourites";
}

function syncFavour() {
  const list = selected();
  const word = list.length && list.every(isFavourite) ? "Unfavourite" : "Favourite";
  const place = bar.querySelector("[data-favour-word]");
  if (place.textContent !== word) place.textContent = word;
}

async function favour(list) {
  if (!list.length || list.length > most) return;
  const on = !list.every(isFavourite);
  const before = list.map(isFavourite);
  for (const tile of list) draw(tile, on);
  say("favourite");
  syncFavour();
  try {
    await post(bar.dataset.favourites, list, { on: on ? "1" : "0" });
    const what = list.length === 1 ? "1 image" : images(list.length);
    if (mode) note(on ? `Added ${what} to favourites.` : `Removed ${what} from favourites.`);
  } catch {
    for (const [at, tile] of list.entries()) draw(tile, before[at]);
    say("favourite");
    syncFavour();
    complain(`${images(list.length)} could not be changed. Try again.`);
  }
}

// Throwing away

function show(list, on) {
  for (const tile of list) {
    boxOf(tile).checked = false;
    tile.hidden = !on;
  }
  say("wall-changed");
  update();
}

async function throwAway(list, { toUndo = false } = {}) {
  if (!list.length) return;
  const all = tiles();
  const next =
    all.slice(all.indexOf(list.at(-1)) + 1).find((tile) => !list.includes(tile)) ??
    all.findLast((tile) => !list.includes(tile));
  const focused = list.some((tile) => tile.contains(document.activeElement));
  show(list, false);
  if (focused) next?.querySelector(".tile-link").focus();
  try {
    const html = await post(bar.dataset.delete, list);
    trashed.push(list);
    // Nothing is left to look at: the page itself says so, and offers to undo it.
    if (!tiles().length && !document.querySelector("[data-more]")) return location.reload();
    toast(html);
    leave();
    if (toUndo) toasts.querySelector("button")?.focus();
  } catch {
    show(list, true);
    complain(`${images(list.length)} could not be deleted. Nothing was changed; try again.`);
  }
}

async function takeBack() {
  const list = trashed.pop();
  if (!list) return;
  try {
    await post(bar.dataset.restore, list);
    show(list, true);
    note(`${images(list.length)} ${list.length === 1 ? "is" : "are"} back.`);
    if (!document.querySelector("dialog[open]")) list[0].querySelector(".tile-link").focus();
  } catch {
    trashed.push(list);
    complain("This could not be undone. Try again, or look here again later.");
  }
}

// Notices at the bottom. In front of a dialog only what is in it can be seen.

function toast(content) {
  (document.querySelector("dialog[open]") ?? main).append(toasts);
  let shown = content;
  if (typeof content === "string") {
    const page = new DOMParser().parseFromString(content, "text/html");
    shown = page.querySelector("[data-trashed]");
    for (const part of shown.querySelectorAll("[role=status]")) part.removeAttribute("role"); // the place is one
  }
  toasts.replaceChildren(shown);
  later();
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(() => (toasts.matches(":hover, :focus-within") ? later() : toasts.replaceChildren()), TOAST_MS);
}

function note(text, kind = "") {
  const line = document.createElement("p");
  line.className = `notice ${kind}`;
  line.textContent = text;
  toast(line);
}

const complain = (text) => note(text, "notice-error");

// What people do

document.addEventListener("click", (event) => {
  const box = event.target.closest(".tile-check input");
  if (box) return pick(box.closest("[data-tile]"), box.checked, event.shiftKey);
  const heart = event.target.closest("[data-tile] [data-favourite]");
  if (heart) {
    event.preventDefault();
    return favour([heart.closest("[data-tile]")]);
  }
  const link = event.target.closest(".tile-link");
  if (link && mode && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const tile = link.closest("[data-tile]");
    return pick(tile, event.shiftKey || !boxOf(tile).checked, event.shiftKey);
  }
  if (event.target.closest("[data-select-toggle]")) {
    if (mode) leave();
    else {
      mode = true;
      update();
    }
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select");
  if (typing || event.defaultPrevented) return;
  const tile = event.target.closest?.("[data-tile]");
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z" && trashed.length) {
    event.preventDefault();
    takeBack();
  } else if (document.querySelector("dialog[open]") || !mode) {
    return;
  } else if (command && event.key.toLowerCase() === "a") {
    event.preventDefault();
    selectAll();
  } else if (event.key.toLowerCase() === "f" && !command && !event.altKey && !event.repeat && selected().length) {
    event.preventDefault();
    favour(selected());
  } else if (event.key === " " && tile && event.target.matches(".tile-link")) {
    event.preventDefault();
    pick(tile, !boxOf(tile).checked, false);
  } else if (event.key === "Escape") {
    event.preventDefault();
    leave();
  }
});

document.addEventListener("walked", (event) => {
  if (!mode || !event.detail.extend) return;
  boxOf(event.detail.from).checked = true;
  pick(event.detail.to, true, false);
});

function meant({ tiles: list, only }) {
  const many = selected();
  return !only && many.includes(list[0]) ? many : list;
}

document.addEventListener("throw", (event) => throwAway(meant(event.detail)));
document.addEventListener("heart", (event) => favour(meant(event.detail)));

toasts.addEventListener("submit", (event) => {
  event.preventDefault();
  takeBack();
});
bar.addEventListener("formdata", (event) =>
  event.formData.set(
    "ids",
    selected()
      .map((tile) => tile.id)
      .join(","),
  ),
);
bar.addEventListener("submit", (event) => {
  if (event.submitter?.matches("[data-delete-selected]")) {
    event.preventDefault();
    throwAway(selected(), { toUndo: true });
  } else if (event.submitter?.matches("[data-favour]")) {
    event.preventDefault();
    favour(selected());
  } else {
    note(`Your ZIP with ${images(selected().length).toLowerCase()} is on its way.`);
  }
});
for (const [name, act] of [
  ["select-all", selectAll],
  ["select-none", leave],
]) {
  const button = bar.querySelector(`[data-${name}]`);
  button.hidden = false;
  button.addEventListener("click", act);
}
document.addEventListener("tiles", update);
addEventListener("pageshow", update); // the browser may have kept ticks over a reload
update();
