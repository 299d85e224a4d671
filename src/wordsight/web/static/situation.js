// What is done in a large picture, and who or what fills each role of the verb.

import { situation } from "./api.js";
import { make, percent } from "./dom.js";
import { saidBoxes } from "./said.js";

const COLOURS = ["#e6194b", "#0082c8", "#2f9e44", "#f58231", "#911eb4", "#0aa5a5", "#d6339a", "#9a6324"]; // as in drawings

/**
 * A section beside a picture: a button that asks, and the answer.
 *
 * frame: as `boxed` makes it. subject: as of `tools`. choose: called with the box of a role that is chosen.
 */
export function done(frame, subject, choose) {
  const told = make("div.told", { "aria-live": "polite" });
  let asked = false;
  async function ask() {
    if (asked) return;
    asked = true;
    told.replaceChildren(make("p.help", {}, "Looking…"));
    try {
      told.replaceChildren(...answer(await situation(subject), frame, choose));
    } catch (error) {
      told.replaceChildren(make("p.wrong", {}, error.message));
    }
    asked = false;
  }
  return make("div.done", {}, make("div.buttons", {}, make("button", { type: "button", onclick: ask }, "What is done here?")), told);
}

/** The sentence or the doubt, the verb, its roles with their boxes. */
function answer({ verb, confidence, sure, sentence, roles, others }, frame, choose) {
  const shown = roles.filter((one) => one.box).map((one, place) => ({ ...one, colour: COLOURS[place % COLOURS.length] }));
  const lit = saidBoxes(frame, shown);
  const row = (one) => {
    const place = shown.findIndex((other) => other.role === one.role);
    const parts = [make("span.role", {}, one.role), make("span", {}, one.word || "nothing", one.word && !one.sure && make("span.soft", {}, ", not sure")), share(one)];
    if (place < 0) return make("li", {}, make("div.filled", {}, ...parts));
    const light = (on) => () => lit(place, on);
    return make("li", {}, make("button.filled", {
      type: "button", "--c": shown[place].colour, title: "Take this box, to find more with it", onpointerenter: light(true), onpointerleave: light(false),
      onfocus: light(true), onblur: light(false), onclick: () => choose(one.box),
    }, ...parts));
  };
  const likeliest = [{ verb, confidence }, ...others.slice(0, 2)].map((one) => `${one.verb} (${percent(one.confidence)})`).join(", ");
  return [
    make("h3", {}, "What may be done here"),
    make("p.answer", {}, sure ? capital(sentence) : `The model cannot tell. Likeliest: ${likeliest}.`),
    make("ul.roles", {}, make("li", {}, make("div.filled", {}, make("span.role", {}, "verb"), make("span", {}, verb, !sure && make("span.soft", {}, ", not sure")), share({ confidence }))), ...roles.map(row)),
    make("p.help", {}, "%: how probable the model finds it, a noun given the verb; not that it is true."),
  ];
}

const share = ({ confidence }) => make("span.confidence", {}, percent(confidence));
const capital = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.?$/, ".")}`;
