// One picture of the grid: its thumbnail, its boxes, what is said of it in a word, and a check to select it.

import { picture, thumb } from "./api.js";
import { boxed, marksOf } from "./boxes.js";
import { clock, count, make } from "./dom.js";
import { dayLabel } from "./days.js";
import { icon } from "./icons.js";
import { hoverable, lightMark } from "./words.js";

/** What is to be seen in a hit, for those who do not see it. */
export function altOf(hit, marks) {
  const shown = marks.filter((mark) => !mark.weak && !mark.region).map((mark) => `“${mark.text}”`);
  const boxes = shown.length ? `, with boxes for ${shown.join(", ")}` : "";
  const at = hit.time === null ? "" : `, video at ${clock(hit.time)} of ${clock(hit.duration ?? 0)}`;
  return `${hit.name}${at}${boxes}`;
}

/**
 * From which confidence on a hit is called so: half of the likely ones are right, a quarter of the possible ones, a tenth
 * of the others (`benchmarks/doubt.py`). Photos that fit alike share the doubt, so that good ones have low figures.
 */
export const LIKELY = 0.1;
export const POSSIBLE = 0.03;

/** How sure a hit is, in a word; null where nobody knows. */
export function surety(confidence) {
  if (confidence === null || confidence === undefined) return null;
  return confidence >= LIKELY ? "likely" : confidence >= POSSIBLE ? "possible" : "unsure";
}

/** A bar and a word for how sure a hit is. */
export function sureness(hit) {
  const word = surety(hit.confidence);
  return word && make(`span.sure.${word}`, {}, make("i.bar", { "--share": Math.min(1, Math.sqrt(hit.confidence / (2 * LIKELY))).toFixed(3) }), word);
}

/**
 * The tile of a picture of some content.
 *
 * address: the link of the opened picture. selected: whether it is. light: called with a mark, or null.
 */
export function tileOf(index, content, { address, selected, light }) {
  const number = content.numbers[index];
  const hit = content.hits?.[index] ?? null;
  const marks = hit ? marksOf(hit, content.colours) : [];
  const day = hit ? "" : content.dayOf(index);
  const seconds = content.videos[number];
  const kind = seconds === undefined ? "Photo" : `Video of ${clock(seconds)},`;
  const alt = hit ? altOf(hit, marks) : day ? `${kind} of ${dayLabel(day)}` : `${kind} without a date`;
  const frame = boxed(thumb(number), alt, marks, { later: true, fallback: picture(number) });
  const word = hit && surety(hit.confidence);
  const folded = hit?.near_duplicates.length ?? 0;
  const label = [alt, word, folded && `and ${count(folded, "near-duplicate")}`, hit?.missing && "the file is gone"].filter(Boolean).join(", ");
  const link = make("a.open", { href: address(number), tabindex: "-1", draggable: "false", "aria-label": label }, frame);
  const check = make("button.check", {
    type: "button", role: "checkbox", tabindex: "-1", "aria-checked": String(selected(number)), "aria-label": `Select ${hit ? hit.name : alt}`,
    title: "Select (Space)",
  });
  const tile = make(`div.tile${selected(number) ? ".selected" : ""}`, { "data-number": number, "data-hit": hit && number },
    link, check,
    seconds !== undefined && make("span.length", { "aria-hidden": "true" }, icon("play"), hit ? `${clock(hit.time)} / ${clock(seconds)}` : clock(seconds)),
    folded > 0 && make("span.folded", { title: "Near-duplicates: open the photo to see them" }, icon("stack"), `+${folded}`),
    hit && make("div.foot", { "aria-hidden": "true" }, sureness(hit), make("span.name", {}, hit.name), hit.missing && make("span.note", {}, "file is gone")));
  tile.marks = marks;
  if (marks.length) {
    hoverable(frame, (mark) => { lightMark(tile, mark); light(mark === null ? null : marks[mark]); });
    link.addEventListener("blur", () => lightMark(tile, null));
  }
  return tile;
}

/** Show whether a tile is selected. */
export function mark(tile, on) {
  tile.classList.toggle("selected", on);
  tile.querySelector(".check").setAttribute("aria-checked", String(on));
}
