// The studio's wall: puts generations up as they come and change, takes deleted ones down, keeps the clocks of unfinished
// ones, and looks at the whole wall when something may have been missed ("look"). Says "balance" when it learns it.

const wall = document.querySelector("[data-wall]");
const announcer = document.querySelector("[data-announce]");
const empty = document.querySelector("[data-empty]");
const seen = new WeakMap(); // card → when its wait or its drawing began, by the page's own clock
const OUTCOMES = { completed: "Your image is ready", failed: "This image could not be made" };
const FINAL = Object.keys(OUTCOMES);
const groupsOf = (html) => Object.assign(document.createElement("template"), { innerHTML: html }).content.children;
const cardsOf = (group) => [...group.querySelectorAll("[data-generation]")];

function put(group) {
  const here = document.getElementById(group.id);
  if (!here) return hang(group);
  let before = null;
  for (const card of cardsOf(group)) {
    const old = document.getElementById(card.id);
    const stays = old && !isNews(old, card);
    if (!old) before ? before.after(card) : here.querySelector(".group-images").prepend(card);
    else if (!stays) replace(old, card);
    before = stays ? old : card;
  }
  here.dataset.count = cardsOf(here).length;
}

// What is new keeps a row of its own until the page is loaded again, or a place that does not grow: nothing that hangs
// there already changes its size.
function hang(group) {
  const at = Number(group.dataset.at);
  const older = [...wall.children].find((other) => Number(other.dataset.at) < at);
  if ((older ?? null) === wall.firstElementChild) {
    const isApart = older?.matches(".is-large, .is-loose"); // else it would stand in a row of those that hang
    group.classList.add(group.dataset.press || !isApart ? "is-large" : "is-loose");
  }
  wall.insertBefore(group, older ?? null);
}

function isNews(old, card) {
  const unchanged = old.dataset.status === card.dataset.status;
  return !unchanged && !FINAL.includes(old.dataset.status); // news may overtake each other
}

function replace(old, card) {
  const focused = old.contains(document.activeElement);
  old.replaceWith(card);
  if (focused) card.querySelector("a, button, summary")?.focus();
  if (FINAL.includes(card.dataset.status)) announce(card);
}

function take(id) {
  const card = document.getElementById(id);
  const group = card?.closest("[data-group]");
  if (!group) return;
  card.remove();
  group.dataset.count = cardsOf(group).length;
  if (group.dataset.count === "0") group.remove();
}

function announce(card) {
  const how = card.dataset.cancelled !== undefined ? "Cancelled" : OUTCOMES[card.dataset.status];
  announcer.textContent = `${how}: ${card.closest("[data-group]").dataset.prompt.slice(0, 80)}`;
}

function tick() {
  for (const card of wall.querySelectorAll("[data-pending]")) {
    if (!seen.has(card)) seen.set(card, performance.now() - 1000 * Number(card.dataset.elapsed));
    const elapsed = (performance.now() - seen.get(card)) / 1000;
    const typical = Number(card.dataset.typical);
    card.querySelector("[data-clock]").textContent = `${Math.floor(elapsed)} s`;
    if (card.dataset.status !== "drawing") continue; // nothing has begun: a bar that grows would be a lie
    if (elapsed > typical) card.querySelector("[data-usual]").textContent = "· longer than usual";
    card.querySelector("progress").value = Math.min(elapsed / typical, 0.96);
  }
}

function show() {
  empty.hidden = wall.childElementCount > 0;
  tick();
}

document.addEventListener("generation", ({ detail: { id, status, html } }) => {
  if (status === "deleted") take(id);
  else if (html) [...groupsOf(html)].forEach(put);
  show();
});

// --- Cancelling what waits

document.addEventListener("submit", async (event) => {
  const pressed = event.target.closest("[data-cancel]");
  if (!pressed) return;
  event.preventDefault();
  if (pressed.ariaBusy === "true") return;
  pressed.ariaBusy = "true";
  const body = new URLSearchParams({ csrfmiddlewaretoken: document.querySelector("[name=csrfmiddlewaretoken]").value });
  try {
    const response = await fetch(pressed.action, { method: "POST", body, headers: { Accept: "application/json" } });
    if (response.redirected) return location.reload(); // the session has ended
    if (!response.ok) return look(); // it is gone by now
    const { cancelled, html, balance } = await response.json();
    document.dispatchEvent(new CustomEvent("generation", { detail: { html } }));
    document.dispatchEvent(new CustomEvent("balance", { detail: { balance } }));
    if (!cancelled) announcer.textContent = "It was too late to cancel. The image is being made.";
  } catch {
    // No network: the button stays for another press.
  } finally {
    pressed.ariaBusy = null;
  }
});

// --- When something may have been missed

const IDLE_MS = 10_000; // how often to look while the stream is away and nothing is on its way
let looking = false;
let looked = 0;

async function look() {
  if (looking) return;
  looking = true;
  looked = performance.now();
  const before = [...wall.querySelectorAll("[data-generation]")].map((card) => card.id);
  try {
    const response = await fetch(wall.dataset.wall);
    if (!response.ok || response.redirected) return;
    compare([...groupsOf(await response.text())], before);
    const balance = Number(response.headers.get("X-Credits-Remaining"));
    document.dispatchEvent(new CustomEvent("balance", { detail: { balance } }));
  } catch {
    // No network: the next look may have one.
  } finally {
    looking = false;
  }
}

function compare(groups, before) {
  const known = new Set(groups.flatMap(cardsOf).map((card) => card.id));
  const isAll = known.size < Number(wall.dataset.most); // else what is missing may only be too old for the answer
  const oldest = isAll ? 0 : Math.min(...groups.map((group) => Number(group.dataset.at)));
  for (const id of before) {
    const at = Number(document.getElementById(id)?.closest("[data-group]").dataset.at);
    if (at > oldest && !known.has(id)) take(id);
  }
  groups.forEach(put);
  show();
}

// The page is as new as its stream when it has just come; later a stream begins after a gap.
let isFresh = !wall.querySelector("[data-pending]");
document.addEventListener("look", ({ detail }) => {
  const isIdle = detail?.polling && !wall.querySelector("[data-pending]") && performance.now() - looked < IDLE_MS;
  if (!isFresh && !isIdle) look();
  isFresh = false;
});

setInterval(tick, 250);
tick();
