// The studio's form: sends itself without leaving the page, counts, says what it costs, keeps a draft, takes up earlier
// settings, and sends what failed once more. Says "generation", "balance"; hears "balance", "refused" {errors}, "recall".

const form = document.querySelector("[data-composer]");
const button = form.querySelector("[data-generate]");
const topUp = form.querySelector("[data-top-up]");
const fields = ["prompt", "negative_prompt", "aspect_ratio", "count", "mode", "model", "size", "quality"];
const draftKey = `draft:${form.dataset.draft}`;
const limit = Number(form.dataset.promptMax);
const prices = JSON.parse(form.dataset.prices); // {model: {mode: {"size|quality": credits}}}
const pictures = form.querySelector("[data-pictures]");
const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
const onItsWay = new WeakSet(); // buttons whose request is not answered yet
const nonces = new WeakMap(); // what was sent for a Retry that got no answer
let balance = Number(form.dataset.balance);

// --- Sending

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = await send(button, new FormData(form));
  if (body?.nonce) form.elements.nonce.value = body.nonce;
});

// The second click of a double click, and a key that is held down, mean the first one.
button.addEventListener("click", (event) => event.detail > 1 && event.preventDefault());
button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());

async function send(pressed, data) {
  if (onItsWay.has(pressed)) return null;
  busy(pressed, true);
  try {
    return await answered(await post(data));
  } catch {
    // The request may have arrived: the nonce stays, so that sending again is charged once.
    show({ __all__: ["The connection was lost. Press the button again; you are not charged twice."] });
    return null;
  } finally {
    busy(pressed, false);
  }
}

// The form's token is stale after a log-in in another tab; the answer then has a new one.
async function post(data, isAgain = false) {
  const response = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" } });
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  if (response.status !== 403 || !isJson || isAgain) return response;
  const { csrf } = await response.json();
  form.elements.csrfmiddlewaretoken.value = csrf;
  data.set("csrfmiddlewaretoken", csrf);
  return await post(data, true);
}

async function answered(response) {
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    const stale = "This page is out of date. Reload it; your words stay.";
    const broken = "Something broke on our side. Press the button again; you are not charged twice.";
    show({ __all__: [response.status === 403 ? stale : broken] });
    return null;
  }
  const body = await response.json();
  if (body.login) {
    location.assign(body.login);
    return null;
  }
  show(body.errors ?? {});
  if (body.html) {
    say("generation", { html: body.html });
    reveal(document.getElementById(body.ids[0]));
  }
  if (body.balance !== undefined) say("balance", { balance: body.balance });
  return body;
}

function busy(pressed, now) {
  if (now) onItsWay.add(pressed);
  else onItsWay.delete(pressed);
  pressed.setAttribute("aria-disabled", String(now));
}

function reveal(card) {
  const { top, height } = card.getBoundingClientRect();
  if (top > 0 && top + height / 2 < innerHeight - 80) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  card.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
}

// --- Saying what is wrong

function show(errors) {
  for (const place of form.querySelectorAll("[data-error-for]")) {
    const isGeneral = place.dataset.errorFor === "__all__";
    const words = errors[place.dataset.errorFor] ?? (isGeneral ? errors.nonce : null) ?? [];
    place.replaceChildren(...words.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    const field = form.elements[place.dataset.errorFor];
    if (field instanceof HTMLTextAreaElement) mark(field, words.length > 0);
    if (isGeneral && words.length) place.scrollIntoView({ block: "nearest" });
  }
  if (errors.negative_prompt) form.querySelector("[data-negative]").open = true;
  form.querySelector("[aria-invalid]")?.focus();
}

function forgive(field) {
  mark(field, false);
  form.querySelector(`[data-error-for="${field.name}"]`)?.replaceChildren();
}

function mark(field, isInvalid) {
  if (isInvalid) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

document.addEventListener("refused", (event) => show(event.detail.errors));

// --- Counting, growing, and what it costs

function count(field) {
  const used = [...field.value.trim()].length;
  const place = form.querySelector(`[data-counter-for="${field.name}"]`);
  const left = limit - used;
  place.textContent =
    left > limit / 10 ? "" : left < 0 ? `${-left} over ${limit.toLocaleString("en")}` : `${left} left`;
  place.classList.toggle("is-over", left < 0);
}

function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

const chosen = (name) => form.elements[name]?.value ?? "";
const modeNow = () => chosen("mode") || "create";

// What one image costs with what is chosen, or with the first model that does it.
function priceOf(mode) {
  const own = prices[chosen("model")]?.[mode];
  const all = own ?? Object.values(prices).find((does) => does[mode])?.[mode];
  return all?.[`${chosen("size")}|${chosen("quality")}`] ?? all?.["|"] ?? 1;
}

// The choices are those of the model: "" in its prices stands for what it takes unasked.
function offer() {
  const model = form.elements.model;
  for (const option of model?.options ?? []) option.disabled = option.hidden = !prices[option.value]?.[modeNow()];
  if (model?.selectedOptions[0]?.disabled) model.value = [...model.options].find((one) => !one.disabled)?.value;
  const asked = Object.keys(prices[chosen("model") || Object.keys(prices)[0]]?.[modeNow()] ?? {});
  for (const [place, name] of ["size", "quality"].entries()) {
    const select = form.elements[name];
    if (!select) continue;
    const choices = [...new Set(asked.map((one) => one.split("|")[place]))].filter(Boolean);
    if (choices.join() !== [...select.options].map((one) => one.value).join()) {
      const words = (text) => (name === "quality" ? text[0].toUpperCase() + text.slice(1) : text);
      select.replaceChildren(...choices.map((choice) => new Option(words(choice), choice)));
    }
    select.closest(".field").hidden = choices.length < 2;
  }
}

function tell() {
  for (const place of form.querySelectorAll("[data-cost-of]")) {
    const each = priceOf(place.dataset.costOf);
    for (const [number, words] of [...place.children].entries()) {
      const total = each * (number + 1);
      words.textContent = `Costs ${total} credit${total === 1 ? "" : "s"}.`;
    }
  }
}

function afford() {
  const needed = Number(form.elements.count.value || 1) * priceOf(modeNow());
  const isShort = balance < needed;
  const hadFocus = document.activeElement === button || document.activeElement === topUp;
  if (button.hidden === isShort) return;
  button.hidden = isShort;
  topUp.hidden = !isShort;
  topUp.textContent = balance ? "Get more credits" : "Get credits to generate";
  if (hadFocus) (isShort ? topUp : button).focus();
}

function refresh() {
  for (const field of form.querySelectorAll("[data-counted]")) {
    count(field);
    grow(field);
  }
  offer();
  tell();
  afford();
  if (pictures && modeNow() !== "create") bring();
}

// What takes pictures comes when somebody wants to edit or remix, or brings one.
let coming = null;
function bring() {
  coming ??= import(pictures.dataset.pictures);
  return coming;
}

function onBrought(event) {
  const given = event.clipboardData ?? event.dataTransfer;
  const files = [...(given?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (!pictures || !files.length) return;
  event.preventDefault();
  if (modeNow() === "create") {
    form.elements.mode.value = form.querySelector("[name=mode][value=edit]") ? "edit" : "remix";
    refresh();
    keep();
  }
  bring().then(() => say("pictures-brought", { files }));
}

document.addEventListener("paste", onBrought);
document.addEventListener("drop", onBrought);
document.addEventListener("dragover", (event) => {
  if (pictures && event.dataTransfer?.types.includes("Files")) event.preventDefault();
});

document.addEventListener("balance", (event) => {
  balance = event.detail.balance;
  afford();
});

// --- Keeping a draft

function keep() {
  const draft = Object.fromEntries(fields.map((name) => [name, chosen(name)]));
  try {
    sessionStorage.setItem(draftKey, JSON.stringify(draft));
  } catch {
    // Storage is full or forbidden; the draft lives on the page only.
  }
}

function fill(values) {
  for (const name of fields) {
    if (values[name] && name !== "prompt" && form.elements[name]) form.elements[name].value = values[name];
    if (name === "model") offer(); // its sizes and qualities come next
  }
  for (const name of ["prompt", "negative_prompt"])
    if (values[name] !== undefined) form.elements[name].value = values[name];
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

form.addEventListener("input", ({ target }) => {
  if (target.getAttribute?.("aria-invalid")) forgive(target);
  refresh();
  keep();
});

// --- Taking up earlier settings

function settingsOf(link) {
  const { prompt, negative, ratio } = link.closest("[data-group]")?.dataset ?? {};
  if (prompt !== undefined) return { prompt, negative_prompt: negative, aspect_ratio: ratio };
  const asked = new URL(link.href).searchParams;
  return { prompt: asked.get("prompt"), negative_prompt: "", aspect_ratio: asked.get("aspect_ratio") ?? "1:1" };
}

function refill(link) {
  fill({ ...settingsOf(link), mode: "create" });
  keep();
  show({});
  form.elements.prompt.focus();
  form.elements.prompt.scrollIntoView({ block: "nearest" });
}

async function retry(link) {
  const data = new FormData(form);
  for (const name of ["input", "mask", "file"]) data.delete(name);
  const again = { ...settingsOf(link), count: 1, ...(pictures && { mode: "create" }) };
  for (const [name, value] of Object.entries(again)) data.set(name, value);
  if (!nonces.has(link)) nonces.set(link, uuid());
  data.set("nonce", nonces.get(link));
  if (await send(link, data)) nonces.delete(link);
}

function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-refill], [data-idea], [data-retry]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.closest("[data-mode]")) return; // the page that it leads to has the pictures as well
  event.preventDefault();
  if (!link.hasAttribute("data-retry")) refill(link);
  else if (event.detail <= 1) retry(link);
});

if (form.hasAttribute("data-filled")) {
  keep();
  if (location.search) history.replaceState(null, "", location.pathname + location.hash); // a reload keeps the draft
} else restore();
refresh();
