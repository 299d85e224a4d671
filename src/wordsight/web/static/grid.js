// The results: a picture each, with its words above it and how well it fits below.

import { picture, thumb } from "./api.js";
import { boxed, marksOf } from "./boxes.js";
import { make, percent, signed } from "./dom.js";
import { chips, hoverable, lightMark } from "./words.js";

/** What is to be seen in a hit, for those who do not see it. */
export function altOf(hit, marks) {
  const shown = marks.filter((mark) => !mark.weak && !mark.region).map((mark) => `“${mark.text}”`);
  return shown.length ? `${hit.name}, with boxes for ${shown.join(", ")}` : hit.name;
}

/** How well it fits: how sure that is where it is known, else the score. */
export function figures(hit) {
  if (hit.confidence === null) return make("span.figures", { title: "Only comparable within one search" }, `score ${signed(hit.score)}`);
  return make("span.figures", {
    title: "Of hits with this figure, so many were the picture that the sentence was written for, in pictures with known sentences; half of those sentences asked for a picture that was not there",
  }, make("i.bar", { "--share": hit.confidence.toFixed(3) }), `${percent(hit.confidence)} sure`);
}

/** One result; `open` is called when it is chosen, `light` when a word of it is pointed at. */
export function result(hit, words, colours, { open, light }) {
  const marks = marksOf(hit, colours);
  const frame = boxed(thumb(hit.number), altOf(hit, marks), marks, { fallback: picture(hit.number) });
  frame.style.setProperty("--shape", hit.width && hit.height ? (hit.width / hit.height).toFixed(4) : "1");
  const button = make("button.open", { type: "button", tabindex: "-1", onclick: () => open(hit) }, frame);
  const below = make("div.below", {},
    make("span.rank", {}, `${hit.rank}`), figures(hit),
    make("span.name", { title: hit.path }, hit.name),
    hit.missing && make("span.note", {}, "file is gone"),
    hit.near_duplicates.length > 0 && make("span.note", { title: "Near-duplicates: open it to see them" }, `+${hit.near_duplicates.length} alike`));
  const item = make("li.hit", { "data-hit": hit.number }, hit.words.length > 0 && chips(hit, words, marks, light), button, below);
  item.marks = marks;
  hoverable(item, frame);
  button.addEventListener("blur", () => lightMark(item, null));
  return item;
}

/** Arrow keys, Home and End go between results; Tab goes to one of them and then on. */
export function arrows(grid) {
  const all = () => [...grid.querySelectorAll("button.open")];
  const go = (button) => {
    for (const one of all()) one.tabIndex = one === button ? 0 : -1;
    button?.focus();
  };
  grid.addEventListener("focusin", (event) => {
    const button = event.target.closest("button.open");
    if (button) for (const one of all()) one.tabIndex = one === button ? 0 : -1;
  });
  grid.addEventListener("keydown", (event) => {
    const buttons = all();
    const here = buttons.indexOf(document.activeElement);
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = {
      ArrowRight: () => buttons[here + 1], ArrowLeft: () => buttons[here - 1],
      ArrowDown: () => beside(buttons, here, 1), ArrowUp: () => beside(buttons, here, -1),
      Home: () => buttons[0], End: () => buttons.at(-1),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    go(next() ?? buttons[here]);
  });
}

/** The result in the row below (1) or above (-1) that is nearest. */
function beside(buttons, here, way) {
  const middle = (button) => {
    const area = button.closest("li").getBoundingClientRect();
    return [area.left + area.width / 2, area.top];
  };
  const [x, y] = middle(buttons[here]);
  let best = null;
  let least = Infinity;
  for (const button of buttons) {
    const [u, v] = middle(button);
    const down = (v - y) * way;
    if (down > 4 && 10 * down + Math.abs(u - x) < least) {
      least = 10 * down + Math.abs(u - x);
      best = button;
    }
  }
  return best;
}
