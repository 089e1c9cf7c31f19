// What is done with images, with one or with many at once: selects them, makes them favourites, sends them as a ZIP,
// throws them away and takes them back. Listens to "heart" {tiles} and "throw" {tiles}, which mean all that are selected
// when the tile is one of those; says "wall-changed" on the document when tiles were hidden or shown, and "favourite"
// when hearts have changed.

const TOAST_MS = 15000;

const main = document.querySelector("main");
const bar = document.querySelector("[data-selection]");
const toasts = document.querySelector("[data-toasts]");
const words = bar.querySelector("[data-count-words]");
const here = bar.querySelector("[data-here-words]");
const allButton = bar.querySelector("[data-select-all]");
const most = Number(bar.dataset.most); // images that a form may name
const zipMost = Number(bar.dataset.zipMost);
const trashed = []; // lists of tiles, the last one last: what Undo takes back
let found = null; // {count, newest, filter}: all that the filter finds, more than this page shows
let everything = null; // the same while all of it is selected, with the tiles that were taken out: {…, but}
let mode = false;
let anchor = null;
let timer = 0;

const tiles = () => [...document.querySelectorAll("[data-tile]:not([hidden], .is-held)")];
const boxOf = (tile) => tile.querySelector(".tile-check input");
const selected = () => tiles().filter((tile) => boxOf(tile).checked);
const isPart = () => Boolean(document.querySelector("[data-more], [data-paged]"));
const number = (count) => count.toLocaleString("en");
const countOf = () => (everything ? everything.count - everything.but.size : selected().length);
const images = (count) => (count === 1 ? "Image" : `${count.toLocaleString("en")} images`);
const say = (name) => document.dispatchEvent(new CustomEvent(name));

function update() {
  const count = countOf();
  if (count) mode = true;
  if (mode) look();
  main.toggleAttribute("data-selecting", mode);
  bar.classList.toggle("is-open", mode);
  const tooMany = !everything && count > most;
  const noZip = count > zipMost;
  let text = `${number(count)} selected`;
  if (tooMany) text += `: select all, or at most ${number(most)} one by one`;
  else if (noZip) text += `. A ZIP holds ${number(zipMost)} at most: choose fewer by their date`;
  if (words.textContent !== text) words.textContent = text;
  const shown = isPart() ? `${number(tiles().length)} on this page` : "";
  if (here.textContent !== shown) here.textContent = shown;
  allButton.querySelector("[data-all-count]").textContent = isPart() && found ? ` ${number(found.count)}` : "";
  for (const button of bar.querySelectorAll("[type=submit]")) button.disabled = !count || tooMany;
  if (noZip) bar.querySelector("[data-zip]").disabled = true;
  const reference = bar.querySelector("[data-reference]");
  if (reference && (everything || count > Number(reference.dataset.reference))) reference.disabled = true;
  syncFavour();
  for (const toggle of document.querySelectorAll("[data-select-toggle]")) {
    toggle.hidden = !mode && !tiles().length;
    toggle.setAttribute("aria-pressed", mode);
    toggle.textContent = mode ? "Done" : "Select";
  }
}

function leave() {
  mode = false;
  everything = null;
  found = null;
  anchor = null;
  for (const box of document.querySelectorAll(".tile-check input:checked")) box.checked = false;
  update();
}

function pick(tile, on, range) {
  const all = tiles();
  const [from, to] = [all.indexOf(anchor), all.indexOf(tile)].sort((one, other) => one - other);
  const some = range && from >= 0 ? [...all.slice(from, to + 1), tile] : [tile];
  for (const each of some) {
    boxOf(each).checked = on;
    if (on) everything?.but.delete(each.id);
    else everything?.but.add(each.id);
  }
  anchor = tile;
  update();
}

// All that the filter finds, also what this page does not show yet. How many that is, is asked when somebody begins to
// select; what is made later is newer than the newest of then, and stays out.

let asking = null;

async function ask() {
  const filter = new URLSearchParams(location.search);
  for (const name of ["before", "show", "at"]) filter.delete(name);
  const response = await fetch(`${bar.dataset.countAll}?${filter}`);
  if (!response.ok || response.redirected) return;
  found = { ...(await response.json()), filter: filter.toString() };
}

function look() {
  if (found || asking || !isPart()) return asking;
  asking = ask()
    .catch(() => {}) // no network: the button says how many once there is one
    .finally(() => {
      asking = null;
      if (found) update();
    });
  return asking;
}

async function selectAll() {
  mode = true;
  if (isPart() || tiles().length > most) {
    found = null;
    asking ??= ask()
      .catch(() => {})
      .finally(() => (asking = null));
    await asking;
    if (!found) return complain("Your images could not be counted. Try again.");
    everything = { ...found, but: new Set() };
  }
  tick();
  update();
}

function tick() {
  for (const tile of document.querySelectorAll("[data-tile]:not([hidden])")) {
    boxOf(tile).checked = !everything?.but.has(tile.id);
  }
}

function meaning(list) {
  if (list) return { ids: list.map((tile) => tile.id).join(",") };
  const { filter, newest, count, but } = everything;
  return { all: "1", filter, newest, count, ...(but.size && { but: [...but].join(",") }) };
}

async function post(address, list, more = {}) {
  const body = new URLSearchParams({ ...meaning(list), ...more });
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

async function favourEverything() {
  const count = countOf();
  const on = !selected().every(isFavourite);
  try {
    await post(bar.dataset.favourites, null, { on: on ? "1" : "0" });
    for (const tile of selected()) draw(tile, on);
    syncFavour();
    note(on ? `Added ${images(count)} to favourites.` : `Removed ${images(count)} from favourites.`);
  } catch {
    complain("Your images could not all be changed. Try again.");
  }
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

async function throwAllAway() {
  const count = countOf();
  for (const button of bar.querySelectorAll("[type=submit]")) button.disabled = true;
  words.textContent = `Deleting ${images(count)} …`;
  try {
    await post(bar.dataset.delete, null);
    leave();
    location.reload(); // the page itself says so, and offers to undo it
  } catch {
    update();
    complain("Not all of your images could be deleted. Load the page again to see which are left.");
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
  const undo = document.querySelector("[data-trashed] form");
  if (command && event.key.toLowerCase() === "z" && (trashed.length || undo)) {
    event.preventDefault();
    if (trashed.length) takeBack();
    else undo.requestSubmit();
  } else if (document.querySelector("dialog[open]") || !mode) {
    return;
  } else if (command && event.key.toLowerCase() === "a") {
    event.preventDefault();
    selectAll();
  } else if (event.key.toLowerCase() === "f" && !command && !event.altKey && !event.repeat && selected().length) {
    event.preventDefault();
    everything ? favourEverything() : favour(selected());
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
  pick(event.detail.from, true, false);
  pick(event.detail.to, true, false);
});

function meant({ tiles: list, only }) {
  const many = selected();
  return !only && many.includes(list[0]) ? many : list;
}

const meansAll = ({ tiles: [tile], only }) => everything && !only && boxOf(tile).checked;

document.addEventListener("throw", ({ detail }) => (meansAll(detail) ? throwAllAway() : throwAway(meant(detail))));
document.addEventListener("heart", ({ detail }) => (meansAll(detail) ? favourEverything() : favour(meant(detail))));

toasts.addEventListener("submit", (event) => {
  event.preventDefault();
  takeBack();
});
bar.addEventListener("formdata", ({ formData }) => {
  formData.delete("ids");
  for (const [name, value] of Object.entries(meaning(everything ? null : selected()))) formData.set(name, value);
});
bar.addEventListener("submit", (event) => {
  if (event.submitter?.matches("[data-delete-selected]")) {
    event.preventDefault();
    everything ? throwAllAway() : throwAway(selected(), { toUndo: true });
  } else if (event.submitter?.matches("[data-favour]")) {
    event.preventDefault();
    everything ? favourEverything() : favour(selected());
  } else if (event.submitter?.matches("[data-zip]")) {
    note(`Your ZIP with ${images(countOf()).toLowerCase()} is on its way.`);
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
document.addEventListener("tiles", ({ detail }) => {
  if (detail.fresh) everything = found = null; // another filter, other images
  if (everything) tick();
  update();
});
addEventListener("pageshow", update); // the browser may have kept ticks over a reload
update();
