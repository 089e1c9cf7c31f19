// What a picture was before its edit, over what it is now: a slider between the two, by mouse, touch and arrow keys.

export function slider(before, words) {
  const box = Object.assign(document.createElement("div"), { className: "before" });
  const image = Object.assign(new Image(), { src: before, alt: "The picture before the edit", draggable: false });
  const range = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, value: 50 });
  range.ariaLabel = words ?? "How much of the picture before the edit is shown";
  const tags = ["Before", "After"].map((text) =>
    Object.assign(document.createElement("span"), {
      className: `before-tag is-${text.toLowerCase()}`,
      textContent: text,
    }),
  );
  const line = Object.assign(document.createElement("span"), { className: "before-line" });
  const move = () => {
    box.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % before`);
  };
  const follow = ({ clientX }) => {
    const { left, width } = box.getBoundingClientRect();
    range.value = ((clientX - left) / width) * 100;
    move();
  };
  range.addEventListener("input", move);
  box.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    box.setPointerCapture(event.pointerId);
    range.focus();
    follow(event);
  });
  box.addEventListener("pointermove", (event) => box.hasPointerCapture(event.pointerId) && follow(event));
  box.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && event.stopPropagation());
  for (const type of ["touchstart", "touchend"])
    box.addEventListener(type, (event) => event.stopPropagation(), { passive: true }); // no swipe to the next image
  box.append(image, line, ...tags, range);
  move();
  return box;
}

// On an image's own page.
const button = document.querySelector("[data-before-button]");
const picture = document.querySelector(".image-stage .picture");
if (button && picture) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    if (!on) return picture.querySelector(".before").remove();
    picture.append(slider(button.dataset.beforeButton));
    picture.querySelector("[type=range]").focus({ preventScroll: true });
  });
}
