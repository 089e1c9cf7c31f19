// The API reference: each endpoint as a form that sends the call with the reader's key, and the same call as code.
// All of it is read off the API's own document when somebody opens the first form. The key stays in this tab.
// Says "try-call" {call, base, blocks} on the document when a call has changed: try-code.js writes it into the blocks.

const REF = "#/components/schemas/";
const LONG = 500; // characters from which on a text has several lines
const KEY = "try_key"; // in sessionStorage, and nowhere else
const POLL_MS = 1000;
const SHOWN = 20_000; // characters of an answer
const TELLING = [
  "X-Request-Id",
  "X-Credits-Charged",
  "X-Credits-Remaining",
  "RateLimit-Limit",
  "RateLimit-Remaining",
  "Retry-After",
  "Idempotent-Replayed",
];
const main = document.querySelector("[data-try]");
const prices = JSON.parse(main.dataset.prices);
const keyInputs = new Set();
let whole; // the document, once somebody wants it
let made = ""; // the id of the last image, for forms that ask for one

const el = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
};

const load = () => {
  whole ??= fetch("/v1/openapi.json").then((answer) => {
    if (!answer.ok) throw new Error(`The API's document could not be read (${answer.status}).`);
    return answer.json();
  });
  whole.catch(() => (whole = undefined)); // so that the next press tries again
  return whole;
};

for (const code of main.querySelectorAll(".code-http code")) {
  const [, method, address] = code.textContent.trim().match(/^([A-Z]+) (\S+)$/) ?? [];
  if (!method) continue;
  const path = address.replace(/^https?:\/\/[^/]+/, "");
  const title = code.closest(".code").previousElementSibling?.id ?? path;
  const button = el("button", { type: "button", class: "button button-small button-quiet try-open" }, "Try it");
  button.setAttribute("aria-expanded", "false");
  const place = el("div", { class: "try", hidden: true });
  code.closest(".code").after(button, place);
  button.addEventListener("click", async () => {
    if (!place.hasChildNodes()) {
      place.append(el("p", { class: "try-note", role: "status" }, "Reading the API's document …"));
      place.hidden = false;
      try {
        const api = await load();
        place.replaceChildren(panelOf(api, method, path, `try-${title}`));
      } catch (error) {
        place.replaceChildren();
        place.hidden = true;
        button.textContent = `Try it (${error.message})`;
        return;
      }
    } else place.hidden = !place.hidden;
    button.setAttribute("aria-expanded", String(!place.hidden));
    button.textContent = place.hidden ? "Try it" : "Close";
    if (!place.hidden) place.querySelector("input, textarea, select, button")?.focus();
  });
}

function panelOf(api, method, path, id) {
  const operation = api.paths[path]?.[method.toLowerCase()];
  if (!operation) throw new Error("this address is not in the document");
  const fields = formOf(api, operation, id, made);
  const needsKey = Boolean((operation.security ?? api.security)?.length);
  const draws = Object.values(operation.responses).some((one) => one.headers?.["X-Credits-Charged"]);
  const send = el("button", { type: "submit", class: "button" }, "Send");
  const cancel = el("button", { type: "button", class: "button button-quiet", hidden: true }, "Cancel");
  const answer = el("div", { class: "try-answer", role: "status", "aria-live": "polite" });
  const code = codeBlock(id);
  const form = el(
    "form",
    { class: "try-form", novalidate: true, "aria-label": `Try ${operation.summary}` },
    ...(needsKey ? [keyField(id)] : []),
    ...fields.elements,
    el("div", { class: "try-actions" }, send, cancel),
  );

  function refresh() {
    const call = { method, ...fields.call(path) };
    code.show(call, location.origin);
    send.textContent = draws ? `Send · ${costOf(path, fields.values())}` : "Send · costs nothing";
  }
  form.addEventListener("input", refresh);
  form.addEventListener("change", refresh);
  for (const input of keyInputs) input.addEventListener("input", refresh);

  let running = null;
  cancel.addEventListener("click", () => running?.abort());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    const missing = fields.missing();
    const key = needsKey ? form.querySelector("[data-try-key]") : null;
    const problem = key && !key.value.trim() ? key : missing;
    if (problem) {
      fields.complain(problem, key === problem ? "Paste a key of yours." : "Fill this in.");
      return;
    }
    running = new AbortController();
    cancel.hidden = false;
    send.disabled = true;
    try {
      await run({ method, ...fields.call(path) }, key?.value.trim(), running.signal, answer, fields);
    } catch (error) {
      const words =
        error.name === "AbortError" ? "Cancelled. An image that was accepted is still made." : error.message;
      answer.append(el("p", { class: "try-error" }, words));
    }
    running = null;
    cancel.hidden = true;
    send.disabled = false;
  });
  refresh();
  return el("div", { class: "try-panel" }, form, el("div", { class: "try-side" }, code.element, answer));
}

function keyField(id) {
  const input = el("input", {
    id: `${id}-key`,
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "rv_…",
    "data-try-key": true,
  });
  input.value = sessionStorage.getItem(KEY) ?? "";
  keyInputs.add(input);
  input.addEventListener("input", () => {
    sessionStorage.setItem(KEY, input.value.trim());
    for (const other of keyInputs) if (other !== input) other.value = input.value;
  });
  const help = el(
    "p",
    { class: "field-help", id: `${id}-key-help` },
    "Kept in this tab only, and sent to this site alone. ",
  );
  help.append(el("a", { href: main.dataset.keys }, "Your keys"), ". With a test key nothing is charged.");
  input.setAttribute("aria-describedby", help.id);
  return el("div", { class: "field" }, el("label", { for: input.id }, "API key"), input, help);
}

function costOf(path, values) {
  const key = [...keyInputs].find((input) => input.value)?.value ?? "";
  if (values.dry_run || key.startsWith("rv_test_")) return "costs nothing";
  const what = /edit/.test(path) ? "edit" : /remix/.test(path) ? "remix" : "create";
  const named = prices[values.model] ?? Object.values(prices).find((one) => one[what]);
  const one = named?.[what]?.[`${values.size ?? ""}|${values.quality ?? ""}`] ?? named?.[what]?.["|"];
  if (one === undefined) return "costs credits";
  const all = one * (Number(values.n) || 1);
  return `costs ${all} credit${all === 1 ? "" : "s"}`;
}

async function run(call, key, signal, place, fields) {
  place.replaceChildren(el("p", { class: "try-note" }, "Waiting for the answer …"));
  const began = performance.now();
  const headers = { ...call.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(call.path, {
    method: call.method,
    headers,
    body: call.payload,
    signal,
    credentials: "omit",
  });
  const body = await read(answer, place);
  show(place, answer, body, performance.now() - began);
  const param = body?.error?.param;
  if (!answer.ok && param) fields.complain(param, body.error.message);
  const image = Array.isArray(body?.images) ? body.images[0] : body;
  if (answer.ok && /^img_/.test(image?.id)) made = image.id;
  if (answer.status === 202) await follow(pendingOf(body), headers.Authorization, signal, place);
}

const pendingOf = (body) =>
  (Array.isArray(body?.images) ? body.images : [body]).filter((one) => one?.status === "pending").map((one) => one.id);

// An image that is not there yet is asked for until it is.
async function follow(ids, authorization, signal, place) {
  const note = el("p", { class: "try-note" });
  place.append(note);
  const left = new Set(ids);
  while (left.size) {
    await new Promise((done) => setTimeout(done, POLL_MS));
    for (const id of [...left]) {
      const path = `/v1/reve-image/status/${encodeURIComponent(id)}`;
      const answer = await fetch(path, { headers: { Authorization: authorization }, signal, credentials: "omit" });
      const body = await read(answer);
      note.textContent = `GET ${path}: ${body?.stage ?? body?.status ?? answer.status} …`;
      if (answer.status === 429) await new Promise((done) => setTimeout(done, 5 * POLL_MS));
      else if (!answer.ok || body?.status !== "pending") {
        left.delete(id);
        place.append(...parts(body));
      }
    }
  }
  note.textContent = ids.length ? "That is what its status says in the end:" : "";
}

// What comes bit by bit is shown as it comes.
async function streamed(answer, place) {
  const shown = el("code");
  place?.replaceChildren(
    el("div", { class: "code" }, el("pre", { tabindex: "0", role: "group", "aria-label": "The stream" }, shown)),
  );
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (shown.textContent.length < SHOWN) shown.append(next.value);
  }
  return shown.textContent;
}

async function read(answer, place) {
  const kind = answer.headers.get("Content-Type") ?? "";
  if (kind.startsWith("image/")) return { picture: await asUrl(await answer.blob()) };
  const text = kind.includes("event-stream") ? await streamed(answer, place) : await answer.text();
  try {
    return kind.includes("json") ? JSON.parse(text) : { text };
  } catch {
    return { text };
  }
}

const asUrl = (blob) =>
  new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = fail;
    reader.readAsDataURL(blob);
  });

function show(place, answer, body, took) {
  const good = answer.ok ? "badge-positive" : answer.status < 500 ? "badge-warning" : "badge-danger";
  const facts = el("dl", { class: "try-headers" });
  for (const name of TELLING) {
    const value = answer.headers.get(name);
    if (value === null) continue;
    const told = el("dd", {}, value);
    if (name === "X-Request-Id") {
      told.replaceChildren(el("a", { href: `${main.dataset.requests}${value}/` }, value));
    }
    facts.append(el("div", {}, el("dt", {}, name), told));
  }
  const ms = took < 1000 ? `${Math.round(took)} ms` : `${(took / 1000).toFixed(1)} s`;
  const head = el(
    "p",
    { class: "try-status" },
    el("span", { class: `badge ${good}` }, String(answer.status)),
    ` ${ms}`,
  );
  place.replaceChildren(head, facts, ...parts(body));
}

function parts(body) {
  const found = pictures(body).map((src) => el("img", { src, alt: "The image that was made", class: "try-image" }));
  if (body?.picture) return found;
  const text = body?.text ?? JSON.stringify(body, (_, value) => cut(value), 2);
  return [
    ...found,
    el(
      "div",
      { class: "code" },
      el("pre", { tabindex: "0", role: "group", "aria-label": "The answer" }, el("code", {}, text.slice(0, SHOWN))),
    ),
  ];
}

const cut = (value) =>
  typeof value === "string" && value.length > 2000 ? `${value.slice(0, 60)}… (${value.length} characters)` : value;

function pictures(body) {
  if (body?.picture) return [body.picture];
  const all = [body, ...(body?.images ?? []), ...(body?.data ?? [])].filter((one) => one && typeof one === "object");
  return all.flatMap((one) => {
    if (one.b64_json) return [`data:image/${body.output_format ?? "png"};base64,${one.b64_json}`];
    return typeof one.url === "string" && /\/images\/\w+\.\w+$/.test(one.url) ? [one.url] : [];
  });
}

function codeBlock(id) {
  const chosen = document.cookie.match(/(?:^|; )code_language=(\w+)/)?.[1] ?? "bash";
  const names = { bash: "curl", python: "Python", javascript: "JavaScript" };
  const blocks = {};
  const element = el("div", { class: "code samples" });
  const choice = el("fieldset", { class: "samples-switch" }, el("legend", { class: "visually-hidden" }, "Language"));
  for (const [language, name] of Object.entries(names)) {
    const radio = el("input", { type: "radio", name: `${id}-language`, value: language });
    radio.checked = language === chosen;
    radio.addEventListener("change", () => {
      document.cookie = `code_language=${language}; path=/; max-age=31536000; samesite=lax`;
    });
    choice.append(el("label", {}, radio, el("span", {}, name)));
    blocks[language] = el("code", { translate: "no" });
  }
  element.append(choice);
  for (const [language, block] of Object.entries(blocks)) {
    const pre = el("pre", { tabindex: "0", role: "group", "aria-label": `The call, ${names[language]}` }, block);
    element.append(el("div", { class: `sample sample-${language}` }, copyButton(block), pre));
  }
  const show = (call, base) => document.dispatchEvent(new CustomEvent("try-call", { detail: { call, base, blocks } }));
  return { element, show };
}

function copyButton(block) {
  const button = el("button", { type: "button", class: "button button-small button-quiet code-copy" }, "Copy");
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent).then(
      () => (button.textContent = "Copied"),
      () => getSelection().selectAllChildren(block),
    );
    setTimeout(() => (button.textContent = "Copy"), 2500);
  });
  return button;
}

// --- The fields of an operation, as the document has them, and the call that they make ---

function formOf(api, operation, id, made) {
  const content = operation.requestBody?.content ?? {};
  const json = content["application/json"] && resolved(api, content["application/json"].schema);
  const form = content["multipart/form-data"] && resolved(api, content["multipart/form-data"].schema);
  const files = form ? Object.keys(form.properties).filter((name) => isFile(form.properties[name])) : [];
  const fields = [];
  for (const one of operation.parameters ?? []) {
    const text = one.description ?? one.schema.description ?? "";
    const example = one.in === "path" ? (one.name === "image_id" ? made : "") : "";
    fields.push(
      field(api, `${id}-p-${one.name}`, one.name, one.schema, { text, place: one.in, example, required: one.required }),
    );
  }
  const schema = json ?? form;
  for (const [name, one] of Object.entries(schema?.properties ?? {})) {
    const required = schema.required?.includes(name) ?? false;
    const example = required && !files.includes(name) ? (one.examples?.[0] ?? "") : "";
    const options = {
      text: one.description ?? "",
      place: "body",
      example,
      required,
      file: files.includes(name),
      alone: !json,
    };
    fields.push(field(api, `${id}-${name}`, name, one, options));
  }
  const first = fields.filter((one) => one.required);
  const rest = fields.filter((one) => !one.required);
  const elements = first.map((one) => one.element);
  if (rest.length) {
    const summary = el("summary", {}, first.length ? "More fields" : "Fields");
    elements.push(el("details", { class: "try-more" }, summary, ...rest.map((one) => one.element)));
  }
  const values = () =>
    Object.fromEntries(
      fields.filter((one) => one.place === "body" && one.value() !== undefined).map((one) => [one.name, one.value()]),
    );

  return {
    elements,
    values,
    missing: () => fields.find((one) => one.required && one.value() === undefined && !one.files().length)?.input,
    complain(which, words) {
      const known = typeof which === "string" ? fields.find((one) => one.name === which.split(".")[0])?.input : which;
      if (!known) return;
      const details = known.closest("details");
      if (details) details.open = true;
      complain(known, words);
    },
    call: (path) => callOf(path, fields, values(), { json, form }),
  };
}

function callOf(path, fields, values, { json, form }) {
  let address = path;
  const query = new URLSearchParams();
  const headers = {};
  for (const one of fields) {
    const value = one.value();
    if (one.place === "path")
      address = address.replace(`{${one.name}}`, value === undefined ? `{${one.name}}` : encodeURIComponent(value));
    else if (value === undefined) continue;
    else if (one.place === "query") query.append(one.name, value);
    else if (one.place === "header") headers[one.name] = value;
  }
  if ([...query].length) address += `?${query}`;
  const brought = fields.flatMap((one) => one.files().map((file) => [one.name, file]));
  if (form && (brought.length || !json)) {
    const payload = new FormData();
    for (const [name, value] of Object.entries(values)) {
      for (const each of Array.isArray(value) ? value : [value]) payload.append(name, String(each));
    }
    for (const [name, file] of brought) payload.append(name, file);
    return { path: address, headers, payload, form: values, files: brought };
  }
  if (!json) return { path: address, headers };
  return {
    path: address,
    headers: { ...headers, "Content-Type": "application/json" },
    payload: JSON.stringify(values),
    json: values,
  };
}

function field(api, id, name, given, { text, place, example, required, file, alone }) {
  const schema = plain(api, given);
  const many = schema.type === "array";
  let input;
  if (schema.enum) {
    input = el("select", { id });
    if (!required) input.append(el("option", { value: "" }, "Not sent"));
    for (const value of schema.enum) input.append(el("option", { value }, String(value)));
  } else if (schema.type === "boolean") {
    input = el("input", { id, type: "checkbox" });
  } else if (schema.type === "integer" || schema.type === "number") {
    input = el("input", {
      id,
      type: "number",
      min: schema.minimum,
      max: schema.maximum,
      step: schema.type === "integer" ? 1 : "any",
    });
  } else if (many || schema.type === "object" || schema.maxLength >= LONG) {
    input = el("textarea", { id, rows: 2, dir: "auto" });
  } else {
    input = el("input", { id, type: "text", autocomplete: "off", dir: "auto", maxlength: schema.maxLength });
  }
  const hint = schema.const ?? given.examples?.[0];
  if (input.type !== "checkbox" && hint !== undefined && !schema.enum)
    input.placeholder = String(Array.isArray(hint) ? hint[0] : hint);
  if (example !== "" && example !== undefined && input.type !== "checkbox")
    input.value = Array.isArray(example) ? example.join("\n") : example;
  if (required) input.setAttribute("aria-required", "true");
  const picker = file
    ? el("input", {
        id: alone ? id : `${id}-file`,
        type: "file",
        accept: "image/png,image/jpeg,image/webp",
        multiple: many,
      })
    : null;
  const help = el("p", { class: "field-help", id: `${id}-help` }, ...words(text));
  const error = el("p", { class: "field-error", id: `${id}-error` });
  const target = picker && alone ? picker : input;
  target.setAttribute("aria-describedby", `${help.id} ${error.id}`);
  const label = el("label", { for: target.id }, el("code", {}, name));
  if (required) label.append(el("span", { class: "try-required" }, "required"));
  if (place !== "body") label.append(el("span", { class: "try-place" }, place === "path" ? "in the path" : place));
  const check = input.type === "checkbox";
  const element = el("div", { class: check ? "field try-check" : "field" });
  element.append(...(check ? [input, label] : [label, target]));
  if (picker && !alone) {
    picker.setAttribute("aria-label", `${name} as a file`);
    element.append(picker);
  }
  element.append(help, error);
  for (const each of [input, picker]) each?.addEventListener("input", () => complain(target, ""));

  return {
    name,
    place,
    required,
    element,
    input: target,
    files: () => [...(picker?.files ?? [])],
    value() {
      if (check) return input.checked ? true : undefined;
      const typed = picker && alone ? "" : input.value.trim();
      if (!typed) return undefined;
      if (many) return typed.split(/\s*\n\s*/).filter(Boolean);
      if (schema.type === "integer" || schema.type === "number") return Number(typed);
      if (schema.type === "object") return parsed(typed);
      return input.value;
    },
  };
}

function complain(input, said) {
  const place = document.getElementById(input.getAttribute("aria-describedby")?.split(" ").at(-1));
  if (said) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  if (place?.classList.contains("field-error")) place.textContent = said;
  else if (said) input.setCustomValidity?.(said);
  if (said) input.focus();
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// A description's code, as the documentation has it.
const words = (text) => text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));

const resolved = (api, schema) =>
  schema.$ref ? resolved(api, api.components.schemas[schema.$ref.slice(REF.length)]) : schema;
const isFile = (schema) => schema.format === "binary" || schema.items?.format === "binary";

// A schema without what says that it may be null, or may be one of several of which the first is the usual one.
function plain(api, given) {
  const schema = resolved(api, given);
  const variant = (schema.anyOf ?? schema.oneOf)?.find((one) => one.type !== "null");
  if (variant) return plain(api, variant);
  return Array.isArray(schema.type) ? { ...schema, type: schema.type.find((one) => one !== "null") } : schema;
}
