// Tells the day under the pointer in words, and the day that the arrow keys have reached.

const LIVELY = "is-chosen";

function choose(day) {
  const chart = day.closest("[data-chart]");
  if (day.classList.contains(LIVELY)) return;
  clear(chart);
  day.classList.add(LIVELY);
  chart.querySelector("[data-readout]").textContent = day.dataset.words;
}

function clear(chart) {
  chart.querySelector(`.${LIVELY}`)?.classList.remove(LIVELY);
  chart.querySelector("[data-readout]").textContent = "";
}

function step(chart, by) {
  const days = [...chart.querySelectorAll("[data-words]")];
  const now = days.findIndex((day) => day.classList.contains(LIVELY));
  choose(days[now < 0 ? days.length - 1 : Math.min(days.length - 1, Math.max(0, now + by))]);
}

// On the document: htmx may replace the chart by another one.
document.addEventListener("pointerover", ({ target }) => {
  const day = target.closest("[data-words]");
  if (day) choose(day);
});
document.addEventListener("pointerout", ({ target, relatedTarget }) => {
  const chart = target.closest("[data-chart]");
  if (chart && !chart.contains(relatedTarget)) clear(chart);
});
document.addEventListener("keydown", (event) => {
  const plot = event.target.closest("[data-chart] svg");
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!plot || !by) return;
  event.preventDefault();
  step(plot.closest("[data-chart]"), by);
});
document.addEventListener("focusout", ({ target }) => {
  const chart = target.closest("[data-chart]");
  if (chart) clear(chart);
});
