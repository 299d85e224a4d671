// What is known of a photo and its file, and what can be done with the file.

import { picture, reveal, thumb, video } from "./api.js";
import { addToAlbum, copy } from "./actions.js";
import { toast } from "./ask.js";
import { momentLabel } from "./days.js";
import { clock, make, percent, signed } from "./dom.js";
import { icon } from "./icons.js";

const FROM = { exif: "written by the camera", container: "written by the camera", name: "from the file’s name", file: "of the file; the photo has none" };

/** Download, copy its path, show its folder, put it into an album. */
export function buttons(found, { can, changed }) {
  const button = (sign, text, act) => make("button", { type: "button", onclick: act }, icon(sign), text);
  return make("div.buttons", {}, ...[
    !found.missing && make("a.button", { href: (found.time === null ? picture : video)(found.number), download: found.name }, icon("download"), "Download"),
    button("copy", "Copy path", () => copy(found.path, "Copied the path.")),
    can.reveal && !found.missing && button("folder", "Show in folder", async () => {
      try { await reveal(found.number); } catch (error) { toast(error.message, true); }
    }),
    button("plus", "Add to album", async () => { if (await addToAlbum([found.number])) changed(); }),
  ].filter(Boolean));
}

/** What is known: date, camera, size, file, metadata and albums. */
export function facts(found, albumOf) {
  const date = found.taken && [momentLabel(found.taken), FROM[found.taken_from] && make("span.soft", {}, ` (${FROM[found.taken_from]})`)];
  const pixels = found.width > 0 && `${found.width} × ${found.height}`;
  const size = [pixels, found.bytes > 0 && bytes(found.bytes)].filter(Boolean).join(" · ");
  const albums = found.albums?.flatMap((album, place) => [place > 0 && ", ", make("button.link", { type: "button", onclick: () => albumOf(album.id) }, album.name)]);
  const rows = [
    ["Date", date || "not known"], found.camera && ["Camera", found.camera], size && ["Size", size],
    found.time !== null && ["Time", `${clock(found.time)}${found.duration === null ? "" : ` of ${clock(found.duration)}`}`], ["File", found.path],
    found.missing && ["", "The file is gone."], !found.missing && found.unreadable && ["", `It cannot be read: ${found.unreadable}.`],
    albums?.length > 0 && ["Albums", albums],
    ...Object.entries(found.meta ?? {}).map(([name, value]) => [name, String(value)]),
  ].filter(Boolean);
  return make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, ...[value].flat().filter(Boolean))]));
}

/** The near-duplicates that are folded into it. */
export function alike(hit, open) {
  if (!hit.near_duplicates.length) return null;
  return make("div", {}, make("h3", {}, "Near-duplicates"), make("div.alike", {}, ...hit.near_duplicates.map((one) => make("button.bare", {
    type: "button", title: one.path, onclick: () => open(one.number),
  }, make("img", { src: thumb(one.number), alt: one.time === null ? one.path : `${one.path} at ${clock(one.time)}` })))));
}

/** How the score of a hit is made, for those who ask. */
export function why(hit) {
  const parts = hit.hubness ? ` = ${signed(hit.score + hit.hubness)} for what is asked − ${signed(hit.hubness)} for fitting anything` : "";
  const sure = hit.confidence !== null && hit.confidence !== undefined;
  return make("details.why", {}, make("summary", {}, "Why?"),
    make("p.help", {}, "Each word of the search is looked for in every part of the photo. Its bar says how strongly its best place matched; its box shows that place."),
    make("p.help", {}, `Score ${signed(hit.score)}${parts}. Greater is better, within one search.`),
    sure && make("p.help", {}, `Confidence ${percent(hit.confidence)}: of hits with this figure, so many were the photo that the sentence was written for, where it was known.`));
}

function bytes(size) {
  const [value, unit] = size >= 1e9 ? [size / 1e9, "GB"] : size >= 1e6 ? [size / 1e6, "MB"] : [size / 1e3, "kB"];
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} ${unit}`;
}
