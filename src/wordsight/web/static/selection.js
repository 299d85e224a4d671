// Which photos are selected: by their checks, with Shift, by keys or by dragging a rectangle over them.

import { make } from "./dom.js";
import { mark } from "./tile.js";

const BEGIN = 7; // pixels until a press is a drag
const EDGE = 60; // pixels from the top and bottom of the screen where it scrolls
const LONG = 480; // milliseconds of a finger

/** The selection in a grid; `changed` is called with it after each change. */
export function selectionOf(grid, { content, changed }) {
  let chosen = new Set(); // numbers
  let base = new Set(); // what was selected when the last range began
  let anchor = null; // index

  const has = (number) => chosen.has(number);
  function set(next) {
    chosen = next;
    for (const tile of grid.tiles()) mark(tile, has(+tile.dataset.number));
    changed();
  }
  function toggle(index) {
    const next = new Set(chosen);
    const number = content().numbers[index];
    if (!next.delete(number)) next.add(number);
    anchor = index;
    base = new Set(next);
    set(next);
  }
  /** Select all from the anchor to a photo, beside what was selected before. */
  function range(index) {
    if (anchor === null) { anchor = index; base = new Set(chosen); }
    const next = new Set(base);
    for (let place = Math.min(anchor, index); place <= Math.max(anchor, index); place += 1) next.add(content().numbers[place]);
    set(next);
  }
  const all = () => set(new Set(content().numbers));
  /** Take out those that are not there any more. */
  const only = (numbers) => {
    const there = new Set(numbers);
    if ([...chosen].some((number) => !there.has(number))) set(new Set([...chosen].filter((number) => there.has(number))));
    anchor = null;
  };
  const clear = () => { anchor = null; base = new Set(); if (chosen.size) set(new Set()); };

  let dragged = false;
  grid.element.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    if (dragged && event.detail) { dragged = false; event.preventDefault(); event.stopPropagation(); return; }
    const check = event.target.closest(".check");
    const adds = event.shiftKey && (check || chosen.size);
    if (!check && !chosen.size || !check && (event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    if (adds) range(tile.index);
    else toggle(tile.index);
  }, true);

  grid.element.addEventListener("keydown", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const index = tile.index;
    const step = {
      ArrowRight: () => index + 1, ArrowLeft: () => index - 1, ArrowDown: () => grid.beside(index, 1), ArrowUp: () => grid.beside(index, -1),
      Home: () => 0, End: () => content().numbers.length - 1,
    }[event.key];
    if (step && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const next = Math.min(Math.max(step(), 0), content().numbers.length - 1);
      if (event.shiftKey) {
        if (anchor === null || !chosen.size) { anchor = index; base = new Set(chosen); }
        range(next);
      }
      grid.focus(next);
    } else if (event.key === " ") {
      event.preventDefault();
      if (event.shiftKey) range(index);
      else toggle(index);
    }
  });
  addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, select, textarea, dialog") || document.querySelector("dialog[open]")) return;
    if (event.key === "a" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); all(); }
    if (event.key === "Escape" && chosen.size) { event.preventDefault(); clear(); }
  });
  rectangle(grid, {
    begun: () => { base = new Set(chosen); dragged = true; },
    over: (indices) => { const next = new Set(base); for (const index of indices) next.add(content().numbers[index]); set(next); },
  });
  held(grid, (index) => { dragged = true; toggle(index); });
  addEventListener("pointerdown", () => { dragged = false; }, true);
  return { has, toggle, range, all, clear, only, numbers: () => [...chosen], size: () => chosen.size };
}

/** A mouse that drags a rectangle over the tiles; `over` gets the indices of those that it touches. */
function rectangle(grid, { begun, over }) {
  const shape = make("div.rubber", { hidden: true });
  document.body.append(shape);
  let start = null; // in the page
  let last = null;
  let on = false;
  let timer = null;
  const at = (event) => ({ x: event.clientX + scrollX, y: event.clientY + scrollY });
  function draw() {
    const to = at(last);
    const [left, right] = [Math.min(start.x, to.x), Math.max(start.x, to.x)];
    const [top, bottom] = [Math.min(start.y, to.y), Math.max(start.y, to.y)];
    Object.assign(shape.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    const area = grid.element.getBoundingClientRect();
    over(within(grid, { left: left - area.left - scrollX, right: right - area.left - scrollX, top: top - area.top - scrollY, bottom: bottom - area.top - scrollY }));
  }
  document.querySelector("main").addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.ctrlKey || event.metaKey) return;
    if (!event.target.closest("#grid") || event.target.closest(".check")) return;
    start = at(event);
  });
  addEventListener("pointermove", (event) => {
    if (!start) return;
    last = event;
    const to = at(event);
    if (!on && Math.hypot(to.x - start.x, to.y - start.y) > BEGIN) {
      on = true;
      begun();
      shape.hidden = false;
      document.body.classList.add("dragging");
      timer = setInterval(() => {
        const way = last.clientY > innerHeight - EDGE ? 1 : last.clientY < EDGE ? -1 : 0;
        if (way) { scrollBy(0, way * 22); draw(); }
      }, 16);
    }
    if (on) draw();
  });
  const end = () => {
    start = null;
    if (!on) return;
    on = false;
    shape.hidden = true;
    document.body.classList.remove("dragging");
    clearInterval(timer);
  };
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

/** The indices of the photos that a rectangle touches, in pixels of the grid. */
function within(grid, { left, right, top, bottom }) {
  const found = [];
  for (const row of grid.rows()) {
    if (row.top > bottom) break;
    if (row.top + row.height < top) continue;
    for (let index = row.from; index < row.to; index += 1) {
      const area = grid.areaOf(index);
      if (area.left < right && area.right > left) found.push(index);
    }
  }
  return found;
}

/** A finger that stays on a tile. */
function held(grid, act) {
  let timer = null;
  grid.element.addEventListener("pointerdown", (event) => {
    const tile = event.target.closest(".tile");
    if (event.pointerType === "mouse" || !tile) return;
    timer = setTimeout(() => act(tile.index), LONG);
  });
  for (const name of ["pointerup", "pointercancel", "pointermove"]) {
    grid.element.addEventListener(name, (event) => { if (name !== "pointermove" || Math.hypot(event.movementX, event.movementY) > 3) clearTimeout(timer); });
  }
  grid.element.addEventListener("contextmenu", (event) => { if (event.pointerType === "touch") event.preventDefault(); });
}
