// The documentation: links to headings, where one is on the page, and the search.

for (const link of document.querySelectorAll("[data-anchor]")) {
  link.addEventListener("click", () => {
    navigator.clipboard?.writeText(link.href).then(
      () => {
        link.classList.add("is-copied");
        setTimeout(() => link.classList.remove("is-copied"), 2000);
      },
      () => {},
    );
  });
}

const entries = new Map([...document.querySelectorAll("[data-docs-toc] a")].map((link) => [link.hash.slice(1), link]));
const headings = [...entries.keys()].map((id) => document.getElementById(id));
if (headings.length) {
  const mark = () => {
    const here = headings.findLast((heading) => heading.getBoundingClientRect().top < innerHeight * 0.3) ?? headings[0];
    const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
    const current = atEnd && scrollY > 0 ? headings.at(-1) : here;
    for (const [id, link] of entries) link.toggleAttribute("aria-current", id === current.id);
  };
  let frame = 0;
  addEventListener(
    "scroll",
    () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(mark);
    },
    { passive: true },
  );
  mark();
}

const form = document.querySelector("[data-docs-search]");
const box = form?.querySelector("input");
const hits = form?.querySelector("[data-docs-hits]");
let timer;
let request;

async function look() {
  request?.abort();
  const query = box.value.trim();
  if (!query) {
    hits.hidden = true;
    return;
  }
  request = new AbortController();
  try {
    const answer = await fetch(`${form.action}?${new URLSearchParams({ q: query, part: "1" })}`, {
      signal: request.signal,
    });
    if (!answer.ok) return;
    hits.innerHTML = await answer.text();
    hits.hidden = document.activeElement !== box && !hits.contains(document.activeElement);
  } catch {
    // Typed on, or no connection: Enter still leads to the page of results.
  }
}

if (form) {
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 120);
  });
  box.addEventListener("focus", () => {
    if (hits.childElementCount && box.value.trim()) hits.hidden = false;
  });
  form.addEventListener("focusout", (event) => {
    if (!form.contains(event.relatedTarget)) hits.hidden = true;
  });
  form.addEventListener("keydown", (event) => {
    const links = [...hits.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") {
      hits.hidden = true;
      box.focus();
    } else if (!hits.hidden && links.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (links[next] ?? box).focus();
    }
  });
  hits.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus, and so the list, until the click
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      box.focus();
    }
  });
}
