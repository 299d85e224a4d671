// What is said of the photos that are shown, honestly: how many, what was not known, that nothing fits.

import { count, make } from "./dom.js";
import * as queries from "./query.js";

/** The line above the grid, and what stands out; `ms` is how long it took, or null. */
export function told(content, query, ms) {
  const all = content.total;
  const videos = Object.keys(content.videos).length;
  if (!content.hits) return { status: [all - videos && count(all - videos, "photo"), videos && count(videos, "video")].filter(Boolean).join(", "), notice: "" };
  const said = [];
  if (content.unknown.length) said.push(`The model does not know ${content.unknown.map((word) => `“${word}”`).join(", ")}: searched by the other words.`);
  const missing = content.missing.reduce((sum, part) => sum + part.pictures, 0);
  if (content.missing.length) said.push(`Not searched: ${content.missing.map((part) => part.part).join(", ")}, with ${count(missing, "photo")}.`);
  const best = content.hits[0];
  if (!best) said.push(queries.filtered(query) || query.sure !== "" ? "Nothing here matches, with these filters." : "Nothing here matches.");
  else if (content.poor) said.push("The model is not sure of any of these; the nearest come first.");
  return { status: best ? `${count(all, videos ? "result" : "photo")}, best first${ms === null ? "" : ` · ${ms} ms`}` : "", notice: said.join(" ") };
}

/** That there are no photos, and what to do. */
export function nothing(query, album, ask) {
  const [title, text] = album ? ["This album is empty", "Select photos and add them to it."]
    : queries.filtered(query) ? ["No photo passes these filters", "Take one off to see more."] : ["There are no photos yet", "Add a folder of photos to begin."];
  const off = queries.filtered(query) && !album && make("button", { type: "button", onclick: () => ask(queries.NO_FILTER) }, "Take all filters off");
  return [make("h2", {}, title), make("p", {}, text), off].filter(Boolean);
}
