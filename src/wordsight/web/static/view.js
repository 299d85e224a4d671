// One result, large: all its boxes with their words, what is known of the file, and what can be done with it.

import { picture, thumb } from "./api.js";
import { boxed, marksOf } from "./boxes.js";
import { $, make, signed } from "./dom.js";
import { altOf, figures } from "./grid.js";
import { tools } from "./region.js";
import { chips, hoverable, lightMark, lightWord } from "./words.js";

const dialog = $("view");
let step = () => {};

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
});

/** Show a hit; `go(1)` and `go(-1)` give the hits beside it, or null; `searchBy(hit, box)` starts a search. */
export function view(hit, { words, colours, can, go, searchBy }) {
  const marks = marksOf(hit, colours);
  const frame = boxed(picture(hit.number), altOf(hit, marks), marks, { lazy: false, fallback: thumb(hit.number) });
  frame.style.setProperty("--shape", hit.width && hit.height ? (hit.width / hit.height).toFixed(4) : "1");
  const item = make("div.large", { "data-hit": hit.number }, make("div.stage", {}, frame));
  item.marks = marks;
  const kit = tools(frame, {
    subject: { number: hit.number }, can, boxOf: (number) => marks[number].box,
    searchBy: (box) => { dialog.close(); searchBy(hit, box); },
  });
  const light = (number) => lightWord(dialog, number);
  const aside = make("div.aside", {},
    make("h2", {}, hit.name), hit.confidence !== null && figures(hit), make("p.help", {}, sum(hit)),
    hit.words.length > 0 && chips(hit, words, marks, light),
    phrases(item, marks, kit), kit.element, alike(hit), facts(hit));
  item.append(aside);
  hoverable(item, frame);
  const beside = (way, label, sign) => make("button.step", {
    type: "button", "aria-label": label, title: label, disabled: !go(way), onclick: () => step(way),
  }, sign);
  dialog.replaceChildren(
    make("div.bar-top", {}, make("span.rank", {}, `${hit.rank}`), beside(-1, "Previous", "‹"), beside(1, "Next", "›"),
      make("button.close", { type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: () => dialog.close() }, "×")),
    item);
  step = (way) => { const next = go(way); if (next) view(next, { words, colours, can, go: (to) => go(way + to), searchBy }); };
  if (!dialog.open) dialog.showModal();
}

/** What the score is made of, in words. */
function sum(hit) {
  const parts = hit.hubness ? ` = ${signed(hit.score + hit.hubness)} for what is asked − ${signed(hit.hubness)} for fitting anything` : "";
  return `Score ${signed(hit.score)}${parts}. Greater is better, within one search.`;
}

/** A button a phrase: pointing at it lights its box, choosing it takes its box as the region. */
function phrases(item, marks, kit) {
  const all = marks.map((mark, number) => ({ mark, number })).filter(({ mark }) => mark.colour);
  if (!all.length) return null;
  const top = Math.max(...all.map(({ mark }) => mark.strength), 1e-9);
  const bar = (strength) => make("i.bar", { "--share": Math.max(strength / top, 0).toFixed(3), title: `strength ${signed(strength)}` });
  return make("ul.phrases", {}, ...all.map(({ mark, number }) => make("li", {}, make(`button${mark.weak ? ".weak" : ""}`, {
    type: "button", "--c": mark.colour, title: "Take this box as the region",
    onpointerenter: () => lightMark(item, number), onpointerleave: () => lightMark(item, null),
    onfocus: () => lightMark(item, number), onblur: () => lightMark(item, null),
    onclick: () => kit.choose(mark.box),
  }, make("span", {}, mark.region ? "what was asked for" : mark.text),
  bar(mark.strength)))));
}

/** The near-duplicates that are not shown beside it. */
function alike(hit) {
  if (!hit.near_duplicates.length) return null;
  return make("div", {}, make("h3", {}, "Near-duplicates"), make("div.alike", {},
    ...hit.near_duplicates.map((one) => make("img", { src: thumb(one.number), alt: one.path, title: one.path, loading: "lazy" }))));
}

function facts(hit) {
  const rows = [
    ["File", hit.path], hit.missing && ["", "The file is gone."],
    hit.width > 0 && ["Size", `${hit.width} × ${hit.height}`], ["Date", hit.taken],
    ...Object.entries(hit.meta).map(([name, value]) => [name, String(value)]),
  ].filter(Boolean);
  return make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}
