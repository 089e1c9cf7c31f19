// ↑ in an empty prompt, or at its beginning, brings back what was asked for earlier; ↓ goes forward again, as in a shell.

const box = document.querySelector("[data-recall]");
let earlier = []; // prompts, newest first
let place = -1; // -1: what was being written
let written = "";

function step(by) {
  if (place === -1) {
    written = box.value;
    const prompts = [...document.querySelectorAll("[data-group]")].map((group) => group.dataset.prompt);
    earlier = [...new Set(prompts)].filter((prompt) => prompt && prompt !== written);
  }
  const next = place + by;
  if (next < -1 || next >= earlier.length) return;
  place = next;
  box.value = place === -1 ? written : earlier[place];
  box.setSelectionRange(0, 0);
  box.scrollTop = 0;
  box.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText" }));
}

box.addEventListener("keydown", (event) => {
  if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (box.selectionStart !== 0 || box.selectionEnd !== 0) return;
  if (event.key === "ArrowUp") step(1);
  else if (event.key === "ArrowDown" && place >= 0) step(-1);
  else return;
  event.preventDefault();
});

// Whoever changes a recalled prompt writes a new one; from there ↑ begins at the newest again.
box.addEventListener("input", (event) => {
  if (event.inputType !== "insertReplacementText") place = -1;
});
