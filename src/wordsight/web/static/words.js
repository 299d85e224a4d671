// The words of a query as chips, and what lights up: a word everywhere, or a box with its words.

import { make } from "./dom.js";
import { markAt } from "./boxes.js";

/** The query's words above all results: each lights its boxes up in every result. */
export function legend(words, colours, light) {
  return words.map((word, number) => {
    const why = word.known ? `Where "${word.text}" went` : `The model does not know "${word.text}"`;
    const kind = `button.chip${colours[number] ? ".on" : ""}${word.known ? "" : ".unknown"}${word.weight < 0 ? ".less" : ""}`;
    return make(kind, {
      type: "button", title: why, "data-word": number, "--c": colours[number] ?? "",
      onpointerenter: () => light(number), onpointerleave: () => light(null),
      onfocus: () => light(number), onblur: () => light(null),
    }, word.text);
  });
}

/** The words of one hit, each with a bar of its strength, in the colour of its phrase. */
export function chips(hit, words, marks, light) {
  const top = Math.max(...hit.words.map((word) => word.strength), 1e-9);
  const line = make("div.words");
  hit.words.forEach((word, number) => {
    const mark = marks.find((one) => number >= one.start && number < one.end);
    const strength = Math.max(word.strength / top, 0);
    const { naming, known, weight } = words[number];
    const on = mark && !mark.weak && naming && known;
    const bar = make("i.bar", { "--share": strength.toFixed(3) });
    line.append(make(`span.word${on ? ".on" : ""}${known ? "" : ".unknown"}${weight < 0 ? ".less" : ""}`, {
      "data-word": number, "--c": on ? mark.colour : "", title: `${words[number].text}: strength ${word.strength.toFixed(3)}`,
      onpointerenter: () => light(number), onpointerleave: () => light(null),
    }, words[number].text, bar));
  });
  return line;
}

/** Light a word up in every result under `root`: the box of the phrase it is in; null puts all out. */
export function lightWord(root, number) {
  root.classList.toggle("lit", number !== null);
  for (const lit of root.querySelectorAll(".lit-up")) lit.classList.remove("lit-up");
  if (number === null) return;
  for (const word of root.querySelectorAll(`[data-word="${number}"]`)) word.classList.add("lit-up");
  for (const item of root.querySelectorAll("[data-hit]")) {
    const place = item.marks.findIndex((mark) => number >= mark.start && number < mark.end);
    item.querySelector(`g[data-mark="${place}"]`)?.classList.add("lit-up");
  }
}

/** Light a box of one result up, and its words there. */
export function lightMark(item, number) {
  item.classList.toggle("lit", number !== null);
  for (const lit of item.querySelectorAll(".lit-up")) lit.classList.remove("lit-up");
  if (number === null) return;
  item.querySelector(`g[data-mark="${number}"]`)?.classList.add("lit-up");
  lightWords(item, item.marks[number]);
}

/** Light the words of a box up under `root`; null puts them out. */
export function lightWords(root, mark) {
  for (const word of root.querySelectorAll("[data-word]")) {
    word.classList.toggle("lit-up", Boolean(mark) && +word.dataset.word >= mark.start && +word.dataset.word < mark.end);
  }
}

/** `lit` is called with the number of the box under the pointer, or null. */
export function hoverable(frame, lit) {
  const lines = frame.querySelector("svg");
  let last = null;
  const tell = (number) => { if (number !== last) lit(last = number); };
  frame.addEventListener("pointermove", (event) => { if (event.buttons === 0) tell(markAt(lines, event)); });
  frame.addEventListener("pointerleave", () => tell(null));
}
