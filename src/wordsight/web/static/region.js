// What can be done with a picture, or a rectangle of it: search by it, or have it described.

import { caption } from "./api.js";
import { draggable, region } from "./boxes.js";
import { make, percent } from "./dom.js";
import { icon } from "./icons.js";
import { saidBoxes } from "./said.js";

const COLOURS = ["#0082c8", "#e6194b", "#2f9e44", "#f58231", "#911eb4", "#0aa5a5"];

/**
 * The tools of a large picture: search by it or by a box of it, and have it described.
 *
 * frame: as `boxed` makes it; a rectangle can be dragged on it.
 * subject: fields that name the picture for the server: `{number}` or `{picture: file}`.
 * can: what the server is able to do.
 * searchBy: called with the chosen box, or null for the whole picture.
 * boxOf: a click on a box of evidence chooses it.
 * chosen, searched: the box that is chosen at first, and whether this is what is searched by already.
 * draws: whether a press of the pointer begins a rectangle, though it was not asked for by the button.
 */
export function tools(frame, { subject, can, searchBy, boxOf = () => null, chosen = null, searched = false, draws = () => true }) {
  let box = chosen;
  let armed = false;
  const help = make("p.help", { role: "status" });
  const search = make("button.main", { type: "button", onclick: () => searchBy(box) });
  const arm = make("button", { type: "button", onclick: () => { armed = !armed; show(); } }, icon("region"), "More with this…");
  const describe = make("button", { type: "button", onclick: () => say() });
  const whole = make("button.quiet", { type: "button", onclick: () => choose(null) }, "Clear box");
  const told = make("div.told", { "aria-live": "polite" });
  const show = () => {
    search.hidden = searched && box === chosen;
    search.replaceChildren(icon(box ? "region" : "picture"), box ? "More with this" : "More like this");
    arm.hidden = Boolean(box);
    arm.setAttribute("aria-pressed", String(armed));
    frame.classList.toggle("armed", armed);
    describe.textContent = box ? "Describe what is in the box" : "Describe";
    describe.hidden = !can.captions && !can.snippets;
    whole.hidden = !box;
    help.textContent = box ? "" : armed ? "Now drag a box around what you want to see more of." : "Drag a box on the picture to find more with what is in it.";
  };
  const choose = (wanted, focus = false) => {
    box = wanted;
    armed = false;
    region(frame, box);
    show();
    if (focus) search.focus({ preventScroll: true });
  };
  const chose = (dragged, mark) => choose(dragged ?? (mark === null ? null : boxOf(mark)), Boolean(dragged));
  const begins = (event) => armed || event.shiftKey || draws(event);
  draggable(frame, chose, begins);

  let last = null; // the question whose answer is wanted
  async function say() {
    const mine = (last = { box });
    const tell = (...answer) => { if (last === mine) told.replaceChildren(...answer); };
    tell(make("p.help", {}, "Looking…"));
    try {
      const found = await caption({ ...subject, box: mine.box });
      tell(...lists(found, frame, mine.box ? "In this region" : "In its regions"));
    } catch (error) {
      tell(make("p.wrong", {}, error.message));
    }
  }

  choose(box);
  return { element: make("div.tools", {}, make("div.buttons", {}, search, arm, describe, whole), help, told), choose, begins };
}

/** What was said, and the boxes of it drawn on the picture. */
function lists({ captions, answer, snippets }, frame, where) {
  const given = captions.filter((one) => one.certain !== false);
  const shown = snippets.map(({ box }, number) => ({ box, colour: COLOURS[number % COLOURS.length] }));
  const lit = saidBoxes(frame, shown);
  const rows = snippets.map((snippet, number) => {
    const light = (on) => () => lit(number, on);
    return row(snippet, { tabindex: "0", "--c": shown[number].colour, onpointerenter: light(true), onpointerleave: light(false), onfocus: light(true), onblur: light(false) });
  });
  return [
    captions.length > 0 && make("h3", {}, "It may show"), given.length > 0 && make("ol.said", {}, ...given.sort(surer).map((one) => row(one))),
    captions.length > 0 && given.length === 0 && make("p.answer", {}, answer),
    rows.length > 0 && make("h3", {}, where), rows.length > 0 && make("ol.said.coloured", {}, ...rows),
    make("p.help", {}, captions.length || rows.length ? "%: how sure the model is of its words, not that they are true." : "Nothing to say."),
  ].filter(Boolean);
}

const surer = (one, other) => other.confidence - one.confidence;

function row(said, given = {}) {
  const sure = make("span.confidence", { title: "The mean probability of its words" }, percent(said.confidence));
  return make("li", given, make("span", {}, said.text), sure);
}
