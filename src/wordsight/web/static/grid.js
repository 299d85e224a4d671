// The grid: of all its pictures, only the rows near the screen are in the page, whatever their number.

import { $, make } from "./dom.js";
import { edges, justify, rowAt, rowOf } from "./layout.js";

const GAP = 4;
const HEAD = 38; // pixels above a row in which a day begins
const NEAR = 0.8; // screens above and below that are ready
const FAST = 0.1; // screens a frame, in one go: then pictures come only once it is slower
const REST = 90; // milliseconds until they do

/**
 * The windowed grid in an element.
 *
 * tileOf: `(index, content)` gives the tile of a picture.
 * moved: called when another part is shown, with whether it goes by too fast for pictures.
 */
export function gridIn(element, { tileOf, moved = () => {} }) {
  let content = { ratios: [], starts: [], labelOf: () => "" };
  let laid = { rows: [], height: 0 };
  let width = 0;
  let current = 0; // the tile that Tab goes to
  let last = { y: 0, time: 0 }; // where the page was scrolled to, and when
  let fast = false;
  let resting = null;
  const live = new Map(); // number of a row -> its element

  const aim = () => (innerWidth < 600 ? 118 : innerWidth < 1100 ? 180 : innerWidth < 2200 ? 200 : 260);
  const offset = () => element.getBoundingClientRect().top + scrollY;

  function lay() {
    width = element.clientWidth;
    laid = width ? justify(content.ratios, { width, aim: aim(), gap: GAP, head: HEAD, starts: content.starts }) : { rows: [], height: 0 };
    element.style.height = `${laid.height}px`;
  }

  function clear() {
    for (const row of live.values()) drop(row);
    live.clear();
  }

  /** Show other pictures, or more of them; `kept` first rows stay as they are. */
  function set(given, { more = false } = {}) {
    const before = laid.rows;
    content = given;
    lay();
    if (!more) { clear(); current = 0; }
    for (const [place, row] of live) {
      const [old, now] = [before[place], laid.rows[place]];
      if (!now || old.from !== now.from || old.to !== now.to || old.top !== now.top || old.height !== now.height) { drop(row); live.delete(place); }
    }
    render();
  }

  function render() {
    if (!width || !laid.rows.length) return moved();
    const top = scrollY - offset(); // read first: what is written below would have to be laid out for it
    const now = { y: scrollY, time: performance.now() };
    if (now.y !== last.y) fast = now.time - last.time < 2 * REST && Math.abs(now.y - last.y) > FAST * innerHeight;
    last = now;
    let changed = false;
    const first = rowAt(laid.rows, top - NEAR * innerHeight);
    const end = rowAt(laid.rows, top + (1 + NEAR) * innerHeight);
    for (const [place, row] of live) {
      if ((place < first || place > end) && !row.contains(document.activeElement)) { drop(row); live.delete(place); changed = true; }
    }
    for (let place = first; place <= end; place += 1) if (!live.has(place)) { put(place); changed = true; }
    clearTimeout(resting);
    if (fast) resting = setTimeout(() => { fast = false; render(); }, REST);
    else wake();
    if (changed) tabbable(top);
    moved(fast);
  }

  function put(place) {
    const row = laid.rows[place];
    const lefts = edges(row, content.ratios, { width, gap: GAP });
    const tiles = [];
    for (let index = row.from; index < row.to; index += 1) {
      const at = index - row.from;
      const area = { left: lefts[at], width: lefts[at + 1] - GAP - lefts[at], height: row.height };
      tiles.push(sized(tileOf(index, content), area, content.ratios[index] || 1));
      tiles.at(-1).index = index;
    }
    const made = make("div.row", {}, ...(row.head ? headings(row, lefts) : []), ...tiles);
    made.style.transform = `translateY(${row.top}px)`;
    const after = [...live.keys()].filter((other) => other > place).sort((one, other) => one - other)[0];
    element.insertBefore(made, after === undefined ? null : live.get(after));
    live.set(place, made);
  }

  /** The days that begin in a row, each above its first picture. */
  function headings(row, lefts) {
    let low = 0;
    let high = content.starts.length;
    while (low < high) { const middle = (low + high) >> 1; if (content.starts[middle] < row.from) low = middle + 1; else high = middle; }
    const found = [];
    for (let place = low; content.starts[place] < row.to; place += 1) {
      const left = lefts[content.starts[place] - row.from];
      const right = content.starts[place + 1] < row.to ? lefts[content.starts[place + 1] - row.from] : width;
      const heading = make("h2.day", {}, content.labelOf(place, right - left));
      heading.style.left = `${left}px`;
      heading.style.maxWidth = `${right - left - 8}px`;
      found.push(heading);
    }
    return found;
  }

  function wake() {
    for (const image of element.querySelectorAll("img[data-src]")) {
      image.src = image.dataset.src;
      delete image.dataset.src;
    }
  }

  /** Tab goes to one tile: the one that was used last, else the first that is seen. */
  function tabbable(top = scrollY - offset()) {
    const wanted = tile(current) ?? tile(laid.rows[rowAt(laid.rows, Math.max(top, 0))].from);
    for (const one of element.querySelectorAll('a.open[tabindex="0"]')) if (one !== wanted?.querySelector("a.open")) one.tabIndex = -1;
    if (wanted) wanted.querySelector("a.open").tabIndex = 0;
  }

  function tile(index) {
    if (index < 0 || index >= content.ratios.length || !laid.rows.length) return null;
    const place = rowOf(laid.rows, index);
    const row = live.get(place);
    return row ? row.querySelectorAll(".tile")[index - laid.rows[place].from] ?? null : null;
  }

  /** Where a picture is, in pixels from the top left of the grid. */
  function areaOf(index) {
    const row = laid.rows[rowOf(laid.rows, index)];
    const lefts = edges(row, content.ratios, { width, gap: GAP });
    const at = index - row.from;
    return { left: lefts[at], right: lefts[at + 1] - GAP, top: row.top, bottom: row.top + row.height, head: row.head };
  }

  /** Scroll a picture into view, as little as need be. */
  function reveal(index) {
    if (!laid.rows.length) return;
    const area = areaOf(index);
    const covered = $("top").getBoundingClientRect().bottom;
    const above = offset() + area.top - area.head - Math.max(covered, 0) - 8;
    const below = offset() + area.bottom - innerHeight + 90;
    if (scrollY > above) scrollTo(0, above);
    else if (scrollY < below) scrollTo(0, Math.min(below, above));
    render();
  }

  function focus(index, { scroll = true } = {}) {
    if (!content.ratios.length) return;
    current = Math.min(Math.max(index, 0), content.ratios.length - 1);
    if (scroll) reveal(current);
    tile(current)?.querySelector("a.open").focus({ preventScroll: true });
  }

  /** The picture in the row below (1) or above (-1) that is nearest. */
  function beside(index, way) {
    const row = laid.rows[rowOf(laid.rows, index) + way];
    if (!row) return index;
    const here = areaOf(index);
    const middle = (here.left + here.right) / 2;
    const lefts = edges(row, content.ratios, { width, gap: GAP });
    let place = row.from;
    while (place + 1 < row.to && lefts[place + 1 - row.from] <= middle) place += 1;
    return place;
  }

  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; render(); });
  }, { passive: true });
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    const middle = laid.rows.length ? laid.rows[rowAt(laid.rows, Math.max(scrollY - offset(), 0))].from : 0;
    const scrolled = scrollY > offset();
    lay();
    clear();
    if (scrolled && laid.rows.length) scrollTo(0, offset() + areaOf(middle).top - 120);
    render();
  }).observe(element);
  element.addEventListener("focusin", (event) => {
    const one = event.target.closest(".tile");
    if (one) { current = one.index; tabbable(); }
  });

  return {
    element, set, render, focus, reveal, tile, areaOf, beside, offset,
    rows: () => laid.rows, current: () => current, height: () => laid.height,
    tiles: () => [...element.querySelectorAll(".tile")],
  };
}

/** Take a row out, and let go of pictures that have not come yet. */
function drop(row) {
  for (const image of row.querySelectorAll("img")) if (!image.complete) image.removeAttribute("src");
  row.remove();
}

/** A tile in its place; a picture that is far too wide or high is cut off at its edges. */
function sized(tile, { left, width, height }, ratio) {
  tile.style.left = `${left}px`;
  tile.style.width = `${width}px`;
  tile.style.height = `${height}px`;
  tile.classList.toggle("narrow", width < 118);
  const frame = tile.querySelector(".pic");
  const wide = Math.max(width, height * ratio);
  const high = Math.max(height, width / ratio);
  Object.assign(frame.style, { width: `${wide}px`, height: `${high}px`, left: `calc(50% - ${wide / 2}px)`, top: `calc(50% - ${high / 2}px)` });
  return tile;
}
