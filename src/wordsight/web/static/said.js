// The boxes of what is said of a picture, one of which lights up at a time.

import { rectangle } from "./boxes.js";
import { draw } from "./dom.js";

/**
 * Show boxes, each with its `box` and `colour`, in place of others that were shown for what is said.
 *
 * Returns a function that lights the box of a number up, or puts it out; it shows them again if others were shown since.
 */
export function saidBoxes(frame, given) {
  const lines = frame.querySelector("svg");
  const taken = new Map();
  const groups = given.map(({ box, colour }) => {
    const inset = 1.4 * (taken.get(box.join()) ?? 0); // two on one box: one inside the other
    taken.set(box.join(), (taken.get(box.join()) ?? 0) + 1);
    const group = draw("g", { class: "said" }, rectangle(box, "edge", inset), rectangle(box, "line", inset));
    group.style.setProperty("--c", colour);
    return group;
  });
  const show = () => {
    for (const old of lines.querySelectorAll("g.said")) old.remove();
    lines.classList.remove("lit-one");
    lines.prepend(...groups);
    frame.classList.toggle("describing", groups.length > 0);
  };
  show();
  return (number, on) => {
    if (on && !groups[number].isConnected) show();
    groups[number].classList.toggle("lit-up", on);
    lines.classList.toggle("lit-one", on);
  };
}
