// Elements without a library. Text is always text: nothing that comes from data is read as HTML.

export const $ = (id) => document.getElementById(id);

/** An element: `make("p.sub", {title: "x", onclick: f}, "text", other)`; what is null or false is left out. */
export function make(kind, given = {}, ...inside) {
  const [name, ...classes] = kind.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.startsWith("--")) made.style.setProperty(key, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...inside.filter((part) => part !== null && part !== undefined && part !== false));
  return made;
}

/** Draw a place anew, and keep the focus on what it was on, else on `other`. */
export function redrawn(place, draw, other = null) {
  const key = (one) => [one.tagName, one.name, one.type === "checkbox" && one.value, one.ariaLabel ?? one.querySelector?.(".label")?.textContent].join();
  const had = place.contains(document.activeElement) ? key(document.activeElement) : null;
  draw();
  if (had === null) return;
  const all = [...place.querySelectorAll("a, button, input, select")];
  (all.find((one) => key(one) === had) ?? all[0] ?? other)?.focus({ preventScroll: true });
}

const LONG = 500; // milliseconds from the end of a press to its click, at most
let pressed = false; // the pointer; a finger moves the focus only after it was lifted, just before the click
let timer = null;
const waiting = [];
function released() {
  clearTimeout(timer);
  pressed = false;
  for (const act of waiting.splice(0)) act();
}
addEventListener("pointerdown", () => { clearTimeout(timer); pressed = true; }, true);
addEventListener("pointerup", () => { timer = setTimeout(released, LONG); }, true);
for (const name of ["click", "pointercancel"]) addEventListener(name, () => setTimeout(released), true);
/** Do something at once, or after the click that goes on: it would be lost if what it is on were drawn anew. */
export function afterClick(act) {
  if (pressed) waiting.push(act);
  else act();
}

/** An element of SVG. */
export function draw(name, given = {}, ...inside) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

export const percent = (share) => {
  const value = 100 * share;
  return value >= 10 ? `${Math.round(value)} %` : value >= 1 ? `${value.toFixed(1)} %` : value > 0 ? "< 1 %" : "0 %";
};
/** A time in a video: 0:07, 1:02:30. */
export const clock = (seconds) => {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
};
export const signed = (number) => number.toFixed(2).replace("-", "−");
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
