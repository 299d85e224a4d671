// The signs on buttons, drawn here: nothing is loaded from elsewhere.

import { draw } from "./dom.js";

const PATHS = {
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M6 9l6 6 6-6",
  menu: "M4 7h16M4 12h16M4 17h16",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20",
  stack: "M8 8h12v12H8zM4 16V4h12",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  copy: "M9 9h11v11H9zM5 15V4h11",
  folder: "M3 6.5h6l2 2.5h10v10H3z",
  album: "M4 5h16v14H4zM4 15l5-4 4 3 3-2 4 3",
  photos: "M4 6h16v13H4zM8.5 11a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8zM4 17l5-4 3 2 4-4 4 4",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  pen: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  undo: "M9 7L5 11l4 4M5 11h9a5 5 0 0 1 0 10h-2",
  picture: "M4 6h16v13H4zM4 16l5-4 3 2 4-4 4 4",
  region: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4",
  info: "M12 11v6M12 7.5v.5M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  filter: "M4 6h16M7 12h10M10 18h4",
  boxes: "M4 5h10v9H4zM10 10h10v9H10z",
  play: "M8 5.5v13l10.5-6.5z",
  text: "M5 7h14M5 12h14M5 17h8",
};

/** A sign; it says nothing to those who hear the page, so that its button needs a name. */
export function icon(name) {
  return draw("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, draw("path", { d: PATHS[name] }));
}
