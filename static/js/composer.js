// The studio's form: sends itself without leaving the page, counts characters, keeps a draft, and takes up earlier prompts.

const form = document.querySelector("[data-composer]");
const button = form.querySelector("[data-generate]");
const fields = ["prompt", "negative_prompt", "aspect_ratio"];
const draftKey = `draft:${form.dataset.draft}`;
const limit = Number(form.dataset.promptMax);
const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
let sending = false;

// --- Sending

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  busy(true);
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
    await answered(response);
  } catch {
    // The request may have arrived: the nonce stays, so that sending again is charged once.
    show({ __all__: ["The connection was lost. Press Generate again; you are not charged twice."] });
  }
  busy(false);
});

async function answered(response) {
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    const stale = "This page is out of date. Reload it; your words stay.";
    const broken = "Something broke on our side. Press Generate again; you are not charged twice.";
    show({ __all__: [response.status === 403 ? stale : broken] });
    return;
  }
  const body = await response.json();
  if (body.login) return location.assign(body.login);
  if (body.nonce) form.elements.nonce.value = body.nonce;
  show(body.errors ?? {});
  if (body.html) {
    say("generation", { id: body.id, html: body.html });
    reveal(document.getElementById(body.id));
  }
  if (body.balance !== undefined) say("balance", { balance: body.balance });
}

function busy(now) {
  sending = now;
  button.setAttribute("aria-disabled", String(now));
}

function reveal(card) {
  const { top, height } = card.getBoundingClientRect();
  if (top > 0 && top + height / 2 < innerHeight - 80) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  card.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
}

function show(errors) {
  for (const place of form.querySelectorAll("[data-error-for]")) {
    const words = errors[place.dataset.errorFor] ?? (place.dataset.errorFor === "__all__" ? errors.nonce : null) ?? [];
    place.replaceChildren(...words.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    const field = form.elements[place.dataset.errorFor];
    if (field instanceof HTMLTextAreaElement) mark(field, words.length > 0);
  }
  if (errors.negative_prompt) form.querySelector("[data-negative]").open = true;
  form.querySelector("[aria-invalid]")?.focus();
}

function mark(field, isInvalid) {
  if (isInvalid) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

// --- Counting, growing, keeping

function count(field) {
  const used = [...field.value.trim()].length;
  const place = form.querySelector(`[data-counter-for="${field.name}"]`);
  const left = limit - used;
  place.textContent = left > limit / 10 ? "" : left < 0 ? `${-left} over ${limit.toLocaleString("en")}` : `${left} left`;
  place.classList.toggle("is-over", left < 0);
}

function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

function refresh() {
  for (const field of form.querySelectorAll("[data-counted]")) {
    count(field);
    grow(field);
  }
}

function keep() {
  const draft = Object.fromEntries(fields.map((name) => [name, form.elements[name].value]));
  try {
    sessionStorage.setItem(draftKey, JSON.stringify(draft));
  } catch {
    // Storage is full or forbidden; the draft lives on the page only.
  }
}

function fill(values) {
  for (const name of fields) {
    if (values[name] !== undefined) form.elements[name].value = values[name];
  }
  if (values.negative_prompt) form.querySelector("[data-negative]").open = true;
  refresh();
}

function restore() {
  try {
    fill(JSON.parse(sessionStorage.getItem(draftKey)) ?? {});
  } catch {
    // Nothing usable was kept.
  }
}

form.addEventListener("input", () => {
  refresh();
  keep();
});

// --- Taking up an earlier prompt

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-refill], [data-idea]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const card = link.closest("[data-generation]");
  const asked = new URL(link.href).searchParams;
  fill(
    card
      ? { prompt: card.dataset.prompt, negative_prompt: card.dataset.negative, aspect_ratio: card.dataset.ratio }
      : { prompt: asked.get("prompt"), negative_prompt: "", aspect_ratio: asked.get("aspect_ratio") ?? "1:1" },
  );
  keep();
  show({});
  form.elements.prompt.focus();
});

if (form.hasAttribute("data-filled")) keep();
else restore();
refresh();
