// The pictures of an edit or a remix: dropped, pasted, chosen as files or picked from the gallery; put in order, painted
// on, and kept until the tab is closed. Comes when somebody edits or remixes. Hears "pictures-brought" {files}.

const form = document.querySelector("[data-composer]");
const place = form.querySelector("[data-pictures]");
const list = place.querySelector("[data-picture-list]");
const drop = place.querySelector("[data-drop]");
const file = place.querySelector("[type=file]");
const error = place.querySelector("[data-picture-error]");
const most = Number(place.dataset.most);
const MOST_BYTES = 20 * 1024 * 1024;
const TYPES = file.accept.split(",");
const words = form.elements.prompt;
const IDEAS = {
  create: words.placeholder,
  edit: "Make it a winter night, with snow on the roof and a light in the window",
  remix: "The cat of the first picture, in the colours of the second",
};
const draftKey = `pictures:${form.dataset.draft}`;
let pictures = [...list.children].map(read); // {id, src, full, width, height, words}, or {name, sent} on its way
let mask = form.querySelector("[name=mask]")?.value ? { id: form.querySelector("[name=mask]").value } : null;
form.querySelector("input[name=mask]")?.remove();

const isEdit = () => form.elements.mode.value === "edit";
const shown = () => (isEdit() ? pictures.slice(0, 1) : pictures);

function read(item) {
  const image = item.querySelector("img");
  const { width, height, full } = item.dataset;
  const id = item.querySelector("input").value;
  return { id, src: image.getAttribute("src"), full, width: Number(width), height: Number(height), words: image.alt };
}

function make(tag, attributes = {}, ...children) {
  const { dataset, ...others } = attributes;
  const element = Object.assign(document.createElement(tag), others);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

function act(words, title, onclick, extra = {}) {
  const button = make("button", { type: "button", className: "button button-quiet button-small", title, onclick });
  button.append(words);
  if (title) button.ariaLabel = title;
  return Object.assign(button, extra);
}

// --- Showing them

function show() {
  const focused = list.contains(document.activeElement) && document.activeElement.ariaLabel;
  list.replaceChildren(...shown().map(item));
  const count = shown().length;
  words.placeholder = IDEAS[form.elements.mode.value];
  drop.hidden = isEdit() ? count > 0 : count >= most;
  if (focused) (list.querySelector(`[aria-label="${CSS.escape(focused)}"]:enabled`) ?? file).focus();
  try {
    const kept = pictures.filter((one) => one.id);
    sessionStorage.setItem(draftKey, JSON.stringify({ pictures: kept, mask }));
  } catch {
    // Storage is full or forbidden; they live on the page only.
  }
}

function item(picture, number) {
  const words = `picture ${number + 1}`;
  if (!picture.id) return make("li", { className: "is-coming" }, progress(picture), acts([remove(picture, words)]));
  const image = make("img", { src: picture.src, alt: picture.words || words });
  image.width = picture.width;
  image.height = picture.height;
  const input = make("input", { type: "hidden", name: "input", value: picture.id });
  const buttons = [remove(picture, words)];
  if (isEdit()) {
    buttons.unshift(act(mask ? "Change mask" : "Paint where", "Paint where it may change", () => paint(picture)));
    if (mask) buttons.unshift(act("Clear mask", "Let it change everywhere", () => setMask(null)));
  } else {
    if (number > 0) buttons.unshift(act("←", `Move ${words} earlier`, () => move(number, -1)));
    if (number < pictures.length - 1) buttons.unshift(act("→", `Move ${words} later`, () => move(number, 1)));
  }
  const li = make("li", {}, make("div", { className: "picture-face" }, image), input, acts(buttons));
  if (isEdit() && mask) {
    li.append(make("input", { type: "hidden", name: "mask", value: mask.id }));
    const over = make("span", { className: "picture-mask" });
    over.style.maskImage = `url("/uploads/${mask.id}")`;
    li.querySelector(".picture-face").append(over);
  }
  return li;
}

const acts = (buttons) => make("div", { className: "picture-acts" }, ...buttons);
const remove = (picture, words) => act("Remove", `Remove ${words}`, () => takeOut(picture));

function progress(picture) {
  const bar = make("progress", { max: 1, value: picture.sent ?? 0 });
  bar.ariaLabel = `Sending ${picture.name}`;
  picture.bar = bar;
  return make("div", { className: "picture-face" }, make("span", { textContent: picture.name }), bar);
}

function takeOut(picture) {
  picture.request?.abort();
  if (picture === pictures[0]) mask = null;
  pictures = pictures.filter((other) => other !== picture);
  say("");
  show();
}

function move(number, by) {
  const [picture] = pictures.splice(number, 1);
  pictures.splice(number + by, 0, picture);
  mask = null;
  show();
}

function say(words) {
  error.textContent = words;
}

// --- Taking them

function add(picture) {
  if (isEdit() && pictures.length) mask = null;
  if (isEdit()) pictures = [picture];
  else if (pictures.length < most) pictures.push(picture);
  else return say(`Choose ${most} pictures at most.`);
  show();
}

function bring(files) {
  say("");
  for (const one of isEdit() ? files.slice(0, 1) : files) {
    if (!TYPES.includes(one.type)) say(`“${one.name}” is no PNG, JPEG or WebP.`);
    else if (one.size > MOST_BYTES) say(`“${one.name}” has more than 20 MB.`);
    else if (!isEdit() && pictures.length >= most) return say(`Choose ${most} pictures at most.`);
    else {
      const picture = { name: one.name, sent: 0 };
      add(picture);
      send(one, picture).then(
        (told) => {
          Object.assign(picture, told, { words: one.name });
          if (pictures.includes(picture)) show();
        },
        (problem) => {
          takeOut(picture);
          say(problem.message);
        },
      );
    }
  }
}

// With XMLHttpRequest, for fetch tells nobody how much of a body has gone.
export function send(blob, picture = {}) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("file", blob, picture.name ?? "picture.png");
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    picture.request = request;
    request.open("POST", place.dataset.upload);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      if (picture.bar) picture.bar.value = loaded / total;
    };
    request.onerror = () => fail(new Error("The connection was lost. Add the picture again."));
    request.onload = () => {
      if (request.status === 201) return done(request.response);
      const known = request.response?.error;
      const stale = "This page is out of date. Reload it; your words stay.";
      const large = "The picture has more than 20 MB.";
      fail(
        new Error(known ?? ({ 403: stale, 413: large }[request.status] || "The picture could not be kept. Try again.")),
      );
    };
    request.send(body);
  });
}

file.removeAttribute("name"); // it is sent when it is chosen
file.addEventListener("change", () => {
  bring([...file.files]);
  file.value = "";
});
for (const type of ["dragenter", "dragover"]) drop.addEventListener(type, () => drop.classList.add("is-over"));
for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("is-over"));
document.addEventListener("pictures-brought", ({ detail }) => bring(detail.files));

// --- From the gallery

let styled = null;
export function style() {
  styled ??= new Promise((done) => {
    const link = make("link", { rel: "stylesheet", href: place.dataset.style });
    link.onload = link.onerror = done;
    document.head.append(link);
  });
  return styled;
}

async function pick() {
  await style();
  const wall = make("div", { className: "pick-wall" });
  const more = act("Show more", "", () => load(), { hidden: true });
  const note = make("p", { className: "field-help", role: "status" });
  const close = act("Close", "", () => dialog.close());
  const head = make(
    "div",
    { className: "pick-head" },
    make("h2", { id: "pick-title", textContent: "Your images" }),
    close,
  );
  const dialog = make("dialog", { className: "pick" }, head, wall, note, more);
  dialog.setAttribute("aria-labelledby", "pick-title");
  let older = "";
  const load = async () => {
    more.hidden = true;
    try {
      const url = `${place.dataset.pick}?${new URLSearchParams({ before: older })}`;
      const response = await fetch(url, { headers: { Accept: "application/json" } });
      const found = await response.json();
      wall.append(...found.images.map((image) => choice(image, dialog)));
      older = found.older;
      more.hidden = !older;
      if (!wall.childElementCount) note.textContent = "There are no images yet. Create one, or bring a file.";
    } catch {
      note.textContent = "Your images could not be loaded. Check your connection.";
      more.hidden = false;
    }
  };
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => arrows(event, wall));
  form.after(dialog);
  dialog.showModal();
  await load();
  wall.querySelector("button")?.focus();
}

function choice(image, dialog) {
  const face = make("img", { src: image.src, alt: image.words, loading: "lazy" });
  const button = make("button", { type: "button", className: "pick-one" }, face);
  const isIn = () => shown().some((one) => one.id === image.id);
  button.setAttribute("aria-pressed", isIn());
  button.addEventListener("click", () => {
    if (isIn()) takeOut(shown().find((one) => one.id === image.id));
    else add(image);
    button.setAttribute("aria-pressed", isIn());
    if (isEdit()) dialog.close();
  });
  return button;
}

// Left and right go on and back, up and down to the one that is nearest in that direction.
function arrows(event, wall) {
  const all = [...wall.children];
  const at = all.indexOf(document.activeElement);
  const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (at < 0 || !(across || down)) return;
  event.preventDefault();
  const columns = all.filter((one) => one.offsetTop === all[0].offsetTop).length;
  all[at + (across ?? down * columns)]?.focus();
}

// --- The mask

async function paint(picture) {
  const [{ open }] = await Promise.all([import(place.dataset.maskScript), style()]);
  open({ picture, mask, send, form, make, act, done: setMask });
}

function setMask(next) {
  mask = next;
  show();
}

// --- Beginning

place.classList.add("is-live");
const chooser = make("span", { className: "drop-words" });
chooser.append("Drop, paste or ", make("span", { className: "drop-link", textContent: "choose a file" }));
const label = make("label", { className: "drop-face" }, chooser);
label.htmlFor = "file";
drop.prepend(label);
drop.append(act("Pick from your gallery", "", pick));
form.addEventListener("change", ({ target }) => target.name === "mode" && show());

if (!form.hasAttribute("data-filled") && !pictures.length) {
  try {
    ({ pictures, mask } = JSON.parse(sessionStorage.getItem(draftKey)) ?? { pictures, mask });
  } catch {
    // Nothing usable was kept.
  }
}
show();
