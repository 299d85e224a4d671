// The photo that is open over the grid: opened, stepped from and left, each a page of the history.

import { viewer } from "./view.js";

const holds = (hit, number) => [...hit.near_duplicates, ...(hit.moments ?? [])].some((one) => one.number === number);

/**
 * The open photo of a grid.
 *
 * content: gives what the grid shows. address: gives the address of a photo in it, or without one its own. opening: called before a photo is opened.
 * nearEnd: called when a photo near the end of the content is shown. The others are those of `viewer`.
 */
export function openedOver(grid, { content, address, opening, nearEnd, ...others }) {
  let first = null; // the photo that was opened in the grid, before steps to others
  const view = viewer({
    step, leave, show: (number) => { history.replaceState(history.state, "", address(number)); show(number); },
    paused: (number, time) => history.replaceState(history.state, "", address(number, time)), ...others,
  });

  const indexOf = (number) => content().numbers.indexOf(number);
  /** The place of a photo, or of the hit that it is folded into; or -1. */
  function placeOf(number) {
    const index = indexOf(number);
    return index < 0 && content().hits ? content().hits.findIndex((hit) => holds(hit, number)) : index;
  }

  function open(number) {
    opening();
    first = number;
    history.pushState({ ...history.state, opened: true }, "", address(number));
    show(number);
  }

  /** Show a photo; `from` is the second where its video was paused, or null. */
  function show(number, from = null) {
    const { numbers, hits, total, ratios, words, colours, videos } = content();
    const index = indexOf(number);
    const place = index < 0 ? "" : `${(index + 1).toLocaleString("en")} of ${total.toLocaleString("en")}`;
    view.show({
      number, hit: hits?.[index] ?? null, place, ratio: ratios[index] ?? 1, words: words ?? [], colours: colours ?? [],
      video: videos[number] !== undefined, from, ...neighbours(number),
    });
    if (index > numbers.length - 6) nearEnd();
  }

  /** Whether there is a photo before, and one after. */
  function neighbours(number) {
    const index = placeOf(number);
    return { before: index > 0, after: index >= 0 && index < content().numbers.length - 1 };
  }

  function step(way) {
    const index = placeOf(view.number());
    const next = content().numbers[index + way];
    if (index < 0 || next === undefined) return;
    history.replaceState(history.state, "", address(next));
    show(next);
    grid.reveal(indexOf(next));
  }

  function leave() {
    if (history.state?.opened) return history.back();
    history.replaceState({}, "", address());
    closed();
  }

  /** Close it where the history says that it is closed, and go to its tile. */
  function closed() {
    const last = view.number();
    view.hide();
    if (indexOf(last) >= 0) grid.focus(indexOf(last), { scroll: last !== first });
  }

  /** Tell it that there are more photos. */
  const grown = () => view.beside(neighbours(view.number()));

  return { open, show, closed, grown, hide: view.hide, number: view.number };
}
