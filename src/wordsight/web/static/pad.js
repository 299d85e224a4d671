// A pad to draw on with a mouse, a pen or a finger; it searches each time the pen is lifted.

import { make } from "./dom.js";
import { icon } from "./icons.js";
import { kept } from "./query.js";

const SIDE = 512; // pixels of the drawing, across and down
const THICK = [4, 8, 14]; // pixels of a line

/**
 * The pad in a place, and the button that opens it.
 *
 * can: whether the server finds photos by drawing. drawn: called with the drawing as a file, or null when nothing is left.
 * left: called when the pad is closed.
 */
export function padIn(place, button, { can, drawn, left }) {
  const strokes = []; // each { width, points: [[x, y], ...] }
  const drawings = new WeakMap(); // the strokes of each file that was made
  let searched = null; // the file of the drawing that is searched by
  let pen = null;
  const canvas = make("canvas", { width: SIDE, height: SIDE, tabindex: -1, role: "img", "aria-label": "Draw here what the photo shows" });
  const paper = canvas.getContext("2d");
  const thickness = make("input", { type: "range", min: 0, max: THICK.length - 1, value: 1, "aria-label": "Thickness of the pen" });
  const undo = make("button", { type: "button", onclick: () => { strokes.pop(); changed(); } }, icon("undo"), "Undo");
  const clear = make("button", { type: "button", onclick: () => { strokes.length = 0; changed(); } }, "Clear");
  const close = make("button.quiet", { type: "button", onclick: () => { open(false); left(); button.focus(); } }, "Close");
  place.append(canvas, make("div", {},
    make("h2", {}, "Draw what you look for"),
    make("p.help", {}, "Lines alone, as large as it is in the photo. The boxes in the results are where strokes were found."),
    make("label.thickness", {}, "Pen ", thickness), make("div.buttons", {}, undo, clear, close)));
  button.append(icon("pen"), "Draw…");
  button.hidden = !can;
  button.addEventListener("click", () => { open(place.hidden); if (place.hidden) left(); });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pen) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true }); // for the keys
    canvas.setPointerCapture(event.pointerId);
    pen = { id: event.pointerId, width: THICK[thickness.value], points: [at(event)] };
    strokes.push(pen);
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pen?.id) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) pen.points.push(at(one));
    paint();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => { if (event.pointerId === pen?.id) { pen = null; changed(); } });
  }
  place.addEventListener("keydown", (event) => {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); undo.click(); }
    if (event.key === "Escape") close.click();
  });
  paint();

  function at(event) {
    const frame = canvas.getBoundingClientRect();
    return [((event.clientX - frame.left) / frame.width) * SIDE, ((event.clientY - frame.top) / frame.height) * SIDE];
  }

  function paint() {
    paper.fillStyle = "#fff";
    paper.fillRect(0, 0, SIDE, SIDE);
    paper.strokeStyle = "#000";
    paper.lineCap = paper.lineJoin = "round";
    for (const { width, points } of strokes) {
      paper.lineWidth = width;
      paper.beginPath();
      paper.moveTo(...points[0]);
      for (const point of points.length > 1 ? points.slice(1) : points) paper.lineTo(...point);
      paper.stroke();
    }
    undo.disabled = clear.disabled = !strokes.length;
  }

  function changed() {
    paint();
    if (!strokes.length) return drawn(null);
    const now = [...strokes];
    canvas.toBlob((blob) => {
      if (!strokes.length) return; // closed meanwhile
      searched = new File([blob], "drawing.png", { type: "image/png" });
      drawings.set(searched, now);
      drawn(searched);
    }, "image/png");
  }

  function open(on) {
    place.hidden = !on;
    button.setAttribute("aria-expanded", String(on));
    if (!on) { strokes.length = 0; paint(); }
  }

  return {
    /** Show the drawing that is searched by; where something else is, no drawing is left open. */
    show(name) {
      const file = kept(name);
      if (file !== searched) {
        searched = file;
        if (!name && strokes.length) open(false);
        strokes.splice(0, Infinity, ...(drawings.get(file) ?? []));
        paint();
      }
      if (name && can && place.hidden) open(true);
    },
  };
}
