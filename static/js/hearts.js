// The hearts on the studio's wall, all of one form: drawn at once, and as they were when they could not be kept. Says
// "favourite" on the document when one has changed.

const form = document.querySelector("#hearts");

function draw(heart, on) {
  heart.setAttribute("aria-pressed", on);
  heart.value = on ? "0" : "1";
  heart.title = on ? "Remove from favourites" : "Add to favourites";
  document.dispatchEvent(new CustomEvent("favourite"));
}

async function send(heart, on) {
  const body = new URLSearchParams(new FormData(form));
  body.set("on", on ? "1" : "0");
  const response = await fetch(heart.formAction, {
    method: "POST",
    body,
    headers: { "HX-Request": "true" },
    keepalive: true, // who leaves at once has pressed it all the same
  });
  const login = response.headers.get("HX-Redirect");
  if (login) return location.assign(login);
  if (response.headers.has("HX-Refresh")) return location.reload(); // a log-in in another tab: the token is stale
  if (!response.ok) throw new Error(response.status);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const heart = event.submitter;
  const on = heart.value === "1";
  draw(heart, on);
  try {
    await send(heart, on);
  } catch {
    draw(heart, !on);
    const errors = { __all__: ["The image could not be changed. Press its heart again."] };
    document.dispatchEvent(new CustomEvent("refused", { detail: { errors } }));
  }
});
