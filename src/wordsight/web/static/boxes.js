// A picture with boxes on it: those of phrases, and one that is dragged.

import { draw, make } from "./dom.js";

// As in the reports: of words in turn, told apart by most people who are colour blind.
const COLOURS = ["#e6194b", "#0082c8", "#2f9e44", "#f58231", "#911eb4", "#0aa5a5", "#d6339a", "#9a6324"];
const REGION = "#6b7380"; // of a region that was asked for
const LEAST = 0.3; // of the strongest phrase: weaker ones are shown only when they are asked for
const SMALL = 0.02; // of the picture: a shorter drag is a click

/** The colour of each word of a query, and how loud it is in some hits together; null for "a" and "of". */
export function coloursOf(words, hits) {
  const seen = new Map();
  return words.map((word, number) => {
    if (!word.naming || !word.known) return null;
    if (!seen.has(word.text)) seen.set(word.text, COLOURS[seen.size % COLOURS.length]);
    return { colour: seen.get(word.text), loud: hits.reduce((sum, hit) => sum + hit.words[number].strength, 0) };
  });
}

/** The phrases of a hit with their colours: of the loudest word, so that "dog" and "dog runs" are alike; `weak` ones hide. */
export function marksOf(hit, colours) {
  const top = Math.max(...hit.phrases.map((phrase) => phrase.strength), 1e-9);
  return hit.phrases.map((phrase) => {
    const region = phrase.start === phrase.end;
    const naming = colours.slice(phrase.start, phrase.end).filter(Boolean);
    const colour = region ? REGION : naming.sort((one, other) => other.loud - one.loud)[0]?.colour ?? null;
    return { ...phrase, colour, region, weak: !colour || (!phrase.written && phrase.strength < LEAST * top) };
  });
}

/** The colour that each word has in most of the hits, or null where it is seen in none. */
export function usual(hits, colours) {
  const marks = hits.map((hit) => marksOf(hit, colours));
  return colours.map((colour, word) => {
    if (!colour) return null;
    const seen = marks.map((some) => some.find((mark) => !mark.weak && word >= mark.start && word < mark.end)?.colour);
    const times = (one) => seen.filter((other) => other === one).length;
    return seen.filter(Boolean).sort((one, other) => times(other) - times(one))[0] ?? null;
  });
}

/** A picture under its boxes; `alt` says what is to be seen. With `later`, it comes once its `data-src` is made `src`. */
export function boxed(source, alt, marks, { later = false, fallback = "" } = {}) {
  const image = make("img", { [later ? "data-src" : "src"]: source, alt, decoding: "async", draggable: "false" });
  const lines = draw("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  const frame = make("div.pic", {}, image, (marks.length > 0 || !later) && lines);
  image.addEventListener("error", () => {
    if (fallback && image.getAttribute("src") !== fallback) image.src = fallback;
    else frame.classList.add("broken");
  });
  const taken = new Map();
  marks.forEach((mark, number) => {
    const key = mark.box.join();
    const inset = 1.4 * (taken.get(key) ?? 0); // two phrases on one box: one inside the other
    if (!mark.weak) taken.set(key, (taken.get(key) ?? 0) + 1);
    lines.append(outline(mark, number, inset));
  });
  return frame;
}

function outline(mark, number, inset) {
  const kind = `box${mark.weak ? " weak" : ""}${mark.weight < 0 ? " less" : ""}`;
  const group = draw("g", { class: kind, "data-mark": number });
  group.style.setProperty("--c", mark.colour ?? "#8b93a1");
  group.append(rectangle(mark.box, "edge", inset), rectangle(mark.box, "line", inset));
  return group;
}

/** A box in percent, kept a little inside so that its whole line is seen. */
export function rectangle(box, kind, inset = 0) {
  const [left, top, right, bottom] = box.map((edge) => Math.min(Math.max(100 * edge, 0.6), 99.4));
  const size = (from, to) => Math.max(to - from - 2 * inset, 0.4);
  return draw("rect", { class: kind, x: left + inset, y: top + inset, width: size(left, right), height: size(top, bottom) });
}

/**
 * Let a rectangle be dragged on a picture.
 *
 * chosen: called with `[left, top, right, bottom]`, or after a click with null and the number of the box there.
 * may: whether a press of the pointer begins one.
 */
export function draggable(frame, chosen, may = () => true) {
  const lines = frame.querySelector("svg");
  let start = null;
  frame.classList.add("draggable");
  const at = (event) => {
    const area = frame.getBoundingClientRect();
    const inside = (value) => Math.min(Math.max(value, 0), 1);
    return [inside((event.clientX - area.left) / area.width), inside((event.clientY - area.top) / area.height)];
  };
  const between = ([x, y], [u, v]) => [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
  frame.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary && start) { start = null; region(frame, null); chosen(null, null); } // a second finger
    if (event.button !== 0 || !event.isPrimary || !may(event)) return;
    start = at(event);
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (start) region(frame, between(start, at(event)));
  });
  frame.addEventListener("pointerup", (event) => {
    if (!start) return;
    const box = between(start, at(event));
    start = null;
    if (box[2] - box[0] > SMALL && box[3] - box[1] > SMALL) {
      region(frame, box);
      chosen(box, null);
    } else {
      region(frame, null);
      chosen(null, markAt(lines, event));
    }
  });
  frame.addEventListener("pointercancel", () => { start = null; region(frame, null); });
}

/** Show the chosen region, or none. */
export function region(frame, box) {
  const lines = frame.querySelector("svg");
  lines.querySelector("g.chosen")?.remove();
  frame.classList.toggle("choosing", Boolean(box));
  if (box) lines.append(draw("g", { class: "chosen" }, rectangle(box, "edge"), rectangle(box, "ants")));
}

/** The number of the smallest box under the pointer, or null. */
export function markAt(lines, event) {
  const area = lines.getBoundingClientRect();
  const x = (100 * (event.clientX - area.left)) / area.width;
  const y = (100 * (event.clientY - area.top)) / area.height;
  let best = null;
  let least = Infinity;
  for (const group of lines.querySelectorAll("g.box:not(.weak)")) {
    const [left, top, width, height] = ["x", "y", "width", "height"].map((name) => +group.lastChild.getAttribute(name));
    if (x >= left && x <= left + width && y >= top && y <= top + height && width * height < least) {
      least = width * height;
      best = +group.dataset.mark;
    }
  }
  return best;
}
