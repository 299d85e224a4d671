// The timeline at the right: years and months, each where its photos are.

import { $, make } from "./dom.js";
import { monthLabel } from "./days.js";

const LEAST = 26; // pixels between two years
const STEP = 7; // pixels between two months

/** The timeline of a grid; `show(content)` draws it, `moved(fast)` follows the scrolling. */
export function scrubberOf(grid) {
  const element = $("scrubber");
  const hand = make("div.hand");
  const tip = make("div.tip", { "aria-hidden": "true" });
  let months = []; // {day, label, top}, from the newest
  let dragging = false;

  let offset = 0; // of the grid in the page, and how far the page scrolls: not measured while it does
  let far = 1;
  let high = 0;
  let said = null;
  const measure = () => { offset = grid.offset(); far = Math.max(document.documentElement.scrollHeight - innerHeight, 1); };
  const room = () => far;
  const share = () => Math.min(Math.max(scrollY / room(), 0), 1);
  const at = () => {
    const y = scrollY - offset + innerHeight * share();
    let found = months[0];
    for (const month of months) if (month.top <= y) found = month;
    return found;
  };

  function show(content) {
    months = [];
    let last = null;
    content.days.forEach((day, place) => {
      const month = day.slice(0, 7);
      if (month === last) return;
      last = month;
      months.push({ day, index: content.starts[place] });
    });
    element.hidden = months.length < 2 || grid.height() < 2 * innerHeight;
    document.body.classList.toggle("timed", !element.hidden);
    if (element.hidden) return;
    for (const month of months) Object.assign(month, { top: grid.areaOf(month.index).top, label: monthLabel(month.day) });
    marks();
    moved();
  }

  function marks() {
    measure();
    high = element.clientHeight;
    const made = [];
    let [year, above, dot] = ["", -LEAST, -STEP];
    for (const month of months) {
      const y = (month.top / grid.height()) * high;
      const called = month.day.slice(0, 4) || "–";
      if (called !== year && y - above >= LEAST && y < high - 14) {
        made.push(make("span.year", { "--y": `${y}px` }, called));
        [above, dot] = [y, y + 12];
      } else if (y - dot >= STEP) {
        made.push(make("i.month", { "--y": `${y}px` }));
        dot = y;
      }
      year = called;
    }
    element.replaceChildren(make("div.marks", { "aria-hidden": "true" }, ...made), hand, tip);
  }

  function moved(fast = false) {
    if (element.hidden) return;
    element.classList.toggle("fast", fast);
    hand.style.transform = `translateY(${(share() * high).toFixed(1)}px)`;
    const label = at()?.label ?? "";
    if (label !== said) element.setAttribute("aria-valuetext", (said = label));
    element.setAttribute("aria-valuenow", Math.round(100 * share()));
    if (dragging || fast) say(share() * element.clientHeight);
  }

  function say(y) {
    tip.textContent = at()?.label ?? "";
    tip.style.setProperty("--y", `${y}px`);
  }

  function to(event) {
    const area = element.getBoundingClientRect();
    scrollTo(0, Math.min(Math.max((event.clientY - area.top) / area.height, 0), 1) * room());
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    dragging = true;
    element.classList.add("dragging");
    element.setPointerCapture(event.pointerId);
    to(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (dragging) return to(event);
    const area = element.getBoundingClientRect();
    const y = event.clientY - area.top;
    const under = (y / area.height) * grid.height();
    tip.textContent = months.findLast((month) => month.top <= under)?.label ?? months[0]?.label ?? "";
    tip.style.setProperty("--y", `${y}px`);
  });
  const end = () => { dragging = false; element.classList.remove("dragging"); };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  element.addEventListener("keydown", (event) => {
    const here = months.indexOf(at());
    const wanted = { ArrowDown: here + 1, ArrowRight: here + 1, ArrowUp: here - 1, ArrowLeft: here - 1, Home: 0, End: months.length - 1 }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    const month = months[Math.min(Math.max(wanted, 0), months.length - 1)];
    scrollTo(0, wanted <= 0 ? 0 : wanted >= months.length ? room() : Math.min(inverse(month.top + 1), room()));
  });

  /** Where to scroll so that `at` is a height of the grid. */
  const inverse = (top) => (top + offset) / (1 + innerHeight / room());

  new ResizeObserver(() => {
    if (element.hidden) return;
    for (const month of months) month.top = grid.areaOf(month.index).top;
    marks();
    moved();
  }).observe(grid.element);
  return { show, moved };
}
