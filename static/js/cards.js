// Puts generations on the studio's wall as they come and change, and keeps the clocks of unfinished ones.

const wall = document.querySelector("[data-cards]");
const announcer = document.querySelector("[data-announce]");
const seen = new WeakMap(); // card → when it came to the page, by the page's own clock
const FINAL = ["completed", "failed"];

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("[data-generation]");
}

function put({ id, html, studio = true }) {
  const old = document.getElementById(id);
  if (!html || (!old && !studio)) return;
  const card = parse(html);
  if (!card) return;
  if (old) {
    const unchanged = old.dataset.status === card.dataset.status;
    if (unchanged || FINAL.includes(old.dataset.status)) return; // news may overtake each other
    const focused = old.contains(document.activeElement);
    old.replaceWith(card);
    if (focused) card.querySelector("a")?.focus();
  } else {
    wall.prepend(card);
  }
  document.querySelector("[data-empty]").hidden = true;
  if (FINAL.includes(card.dataset.status)) announce(card);
  tick();
}

function announce(card) {
  const how = card.dataset.status === "completed" ? "Your image is ready" : "This image could not be made";
  announcer.textContent = `${how}: ${card.dataset.prompt.slice(0, 80)}`;
}

function tick() {
  for (const card of wall.querySelectorAll("[data-pending]")) {
    if (!seen.has(card)) seen.set(card, performance.now() - 1000 * Number(card.dataset.elapsed));
    const elapsed = (performance.now() - seen.get(card)) / 1000;
    const typical = Number(card.dataset.typical);
    card.querySelector("[data-clock]").textContent = `${Math.floor(elapsed)} s`;
    if (elapsed > typical * 1.5 + 2) card.querySelector("[data-usual]").textContent = "· longer than usual";
    card.querySelector("progress").value = Math.min(elapsed / typical, 0.96);
  }
}

document.addEventListener("generation", (event) => put(event.detail));
setInterval(tick, 250);
tick();
