// A brush for where a picture may change: by mouse, touch, pen or keys. What is painted is sent as a PNG of the picture's
// size, white there and black elsewhere. Comes when somebody wants to paint.

const STEP = 0.02; // of the picture's larger side: how far an arrow key moves the cursor
const MOST_UNDONE = 40;
const COLOUR = "#7a5cff";

export function open({ picture, mask, send, form, make, act, done }) {
  const { width, height } = picture;
  const scale = Math.min(1, 1024 / Math.max(width, height)); // strokes are kept, so that the mask is drawn at full size
  const canvas = make("canvas", { className: "mask-canvas", tabIndex: 0 });
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.setAttribute("role", "application");
  canvas.ariaLabel = "Where the picture may change";
  canvas.setAttribute("aria-describedby", "mask-help");
  const context = canvas.getContext("2d");
  const image = make("img", { src: picture.full, alt: picture.words || "The picture", draggable: false });
  const cursor = make("span", { className: "mask-cursor" });
  const stage = make("div", { className: "mask-stage" }, image, canvas, cursor);
  stage.style.setProperty("--ratio", width / height);

  // Each step is a stroke {erase, size, points}, "clear", "invert", or the mask that there was {image}.
  const steps = [];
  let undone = [];
  let stroke = null;
  let at = [0.5, 0.5];
  let isDown = false; // the space bar paints while the cursor moves
  let isErasing = false;

  const size = make("input", { type: "range", min: 2, max: 40, value: 12, id: "mask-size" });
  const sizeLabel = make("label", { className: "mask-size" }, "Size ", size);
  const status = make("p", { className: "visually-hidden", role: "status" });
  const problem = make("p", { className: "field-error", role: "alert" });
  const brush = act("Brush", "", () => erase(false));
  const eraser = act("Eraser", "", () => erase(true));
  const undo = act("Undo", "", () => back());
  const redo = act("Redo", "", () => forth());
  const clear = act("Clear", "", () => step("clear"));
  const invert = act("Invert", "", () => step("invert"));
  const keepIt = make("button", { type: "button", className: "button", textContent: "Use this mask", onclick: finish });
  const cancel = act("Cancel", "", () => dialog.close());
  const help = make("p", { className: "field-help", id: "mask-help" });
  help.textContent =
    "Paint over what may change; the rest stays. Arrow keys move the cursor, Space paints, + and − size the brush, E erases, Ctrl+Z undoes.";
  const title = make("h2", { id: "mask-title", textContent: "Where may it change?" });
  const tools = make("div", { className: "mask-tools" }, brush, eraser, sizeLabel, undo, redo, clear, invert);
  tools.setAttribute("role", "toolbar");
  tools.ariaLabel = "Brush";
  const foot = make("div", { className: "mask-foot" }, keepIt, cancel);
  const dialog = make("dialog", { className: "mask" }, title, help, tools, stage, problem, foot, status);
  dialog.setAttribute("aria-labelledby", "mask-title");

  const radius = (strokeSize, target) => (strokeSize / 200) * Math.max(target.width, target.height);

  function draw(target, which, one) {
    if (one === "clear") return which.clearRect(0, 0, target.width, target.height);
    which.save();
    which.fillStyle = which.strokeStyle = COLOUR;
    if (one === "invert") {
      which.globalCompositeOperation = "xor";
      which.fillRect(0, 0, target.width, target.height);
    } else if (one.image) which.drawImage(one.image, 0, 0, target.width, target.height);
    else {
      which.globalCompositeOperation = one.erase ? "destination-out" : "source-over";
      which.lineCap = which.lineJoin = "round";
      which.lineWidth = 2 * radius(one.size, target);
      which.beginPath();
      for (const [x, y] of [one.points[0], ...one.points]) which.lineTo(x * target.width, y * target.height);
      which.stroke();
    }
    which.restore();
  }

  function redraw() {
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const one of steps) draw(canvas, context, one);
    if (stroke) draw(canvas, context, stroke);
    sync();
  }

  function sync() {
    undo.disabled = !steps.length;
    redo.disabled = !undone.length;
    brush.setAttribute("aria-pressed", !isErasing);
    eraser.setAttribute("aria-pressed", isErasing);
    cursor.style.setProperty("--x", `${at[0] * 100}%`);
    cursor.style.setProperty("--y", `${at[1] * 100}%`);
    cursor.style.setProperty("--size", `${((size.value / 100) * Math.max(width, height) * 100) / width}%`);
  }

  function step(one) {
    steps.push(one);
    undone = [];
    redraw();
  }

  function back() {
    if (!steps.length) return;
    undone.push(steps.pop());
    undone = undone.slice(-MOST_UNDONE);
    status.textContent = "Undone.";
    redraw();
  }

  function forth() {
    if (!undone.length) return;
    steps.push(undone.pop());
    status.textContent = "Done again.";
    redraw();
  }

  function erase(on) {
    isErasing = on;
    status.textContent = on ? "Eraser" : "Brush";
    sync();
  }

  // --- Mouse, touch and pen

  const spot = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  };

  function begin(point) {
    stroke = { erase: isErasing, size: Number(size.value), points: [point] };
    redraw();
  }

  function end() {
    if (!stroke) return;
    const one = stroke;
    stroke = null;
    step(one);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    at = spot(event);
    begin(at);
  });
  canvas.addEventListener("pointermove", (event) => {
    at = spot(event);
    if (!stroke || isDown) return sync();
    stroke.points.push(...(event.getCoalescedEvents?.() ?? [event]).map(spot));
    redraw();
  });
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);

  // --- Keys

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = arrows[event.key];
    if (by) {
      const far = (STEP * Math.max(width, height)) / (event.shiftKey ? 0.2 : 1);
      at = [at[0] + (by[0] * far) / width, at[1] + (by[1] * far) / height].map((one) => Math.min(1, Math.max(0, one)));
      if (stroke) stroke.points.push(at);
      redraw();
    } else if (event.key === " ") {
      if (!isDown) begin(at);
      isDown = true;
    } else if (event.key === "+" || event.key === "=") size.stepUp(2);
    else if (event.key === "-") size.stepDown(2);
    else if (event.key === "e") erase(!isErasing);
    else return;
    event.preventDefault();
    sync();
  });
  canvas.addEventListener("keyup", (event) => {
    if (event.key !== " ") return;
    isDown = false;
    end();
  });
  canvas.addEventListener("blur", () => {
    isDown = false;
    end();
  });
  dialog.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) forth();
    else back();
  });
  size.addEventListener("input", sync);

  // --- Beginning and ending

  // White on black, hard-edged, as large as the picture.
  function drawn() {
    const full = make("canvas");
    Object.assign(full, { width, height });
    const which = full.getContext("2d", { willReadFrequently: true });
    for (const one of steps) draw(full, which, one);
    const pixels = which.getImageData(0, 0, width, height);
    let painted = 0;
    for (let place = 0; place < pixels.data.length; place += 4) {
      const value = pixels.data[place + 3] > 127 ? 255 : 0;
      painted += value && 1;
      pixels.data.fill(value, place, place + 3);
      pixels.data[place + 3] = 255;
    }
    which.putImageData(pixels, 0, 0);
    return painted ? full : null;
  }

  async function finish() {
    const full = drawn();
    if (!full) {
      problem.textContent = "Nothing is painted yet. Paint over what may change, or cancel.";
      return;
    }
    keepIt.disabled = true;
    try {
      const blob = await new Promise((ready) => full.toBlob(ready, "image/png"));
      done(await send(blob, { name: "mask.png" }));
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      keepIt.disabled = false;
    }
  }

  // A mask that there is comes back as what was painted: what is white in it.
  function takeUp() {
    const old = new Image();
    old.onload = () => {
      const again = make("canvas");
      Object.assign(again, { width: canvas.width, height: canvas.height });
      const which = again.getContext("2d", { willReadFrequently: true });
      which.drawImage(old, 0, 0, again.width, again.height);
      const pixels = which.getImageData(0, 0, again.width, again.height);
      for (let place = 0; place < pixels.data.length; place += 4) {
        pixels.data[place + 3] = pixels.data[place];
        pixels.data.set([122, 92, 255], place);
      }
      which.putImageData(pixels, 0, 0);
      steps.unshift({ image: again });
      redraw();
    };
    old.src = mask.full ?? `/uploads/${mask.id}`;
  }

  dialog.addEventListener("close", () => dialog.remove());
  form.after(dialog);
  dialog.showModal();
  if (mask) takeUp();
  redraw();
  canvas.focus();
}
