// What the grid shows: all photos by date, or the hits of a search, a page at a time.

import * as api from "./api.js";
import { coloursOf } from "./boxes.js";
import { dayLabel } from "./days.js";
import * as queries from "./query.js";

const TOP = 48; // hits that are asked for at once
const REACH = 6; // pages at once

/** All photos that pass the filters, newest first. */
export async function photos(query, signal) {
  const found = await api.photos(queries.filter(query), signal);
  const starts = [];
  const days = [];
  let index = 0;
  for (const [day, count] of found.days) {
    starts.push(index);
    days.push(day);
    index += count;
  }
  const dayOf = (place) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) { const middle = (low + high + 1) >> 1; if (starts[middle] <= place) low = middle; else high = middle - 1; }
    return days[low] ?? "";
  };
  return {
    numbers: found.numbers, ratios: found.ratios.map((ratio) => ratio / 100), total: found.total, hits: null,
    videos: found.videos, starts, days, dayOf, labelOf: (place, room) => dayLabel(days[place], room), complete: true,
  };
}

/**
 * The first hits of a query; `more` gives the content with the next ones.
 *
 * photo, many: there are as many pages at once as a photo is in, or as were there before, but at most `REACH`.
 */
export async function hits(query, signal, { photo = null, many = 0 } = {}) {
  const begun = many > TOP ? 2 : 1; // pages that come as one: more is not answered
  const found = await page(query, 1, signal, begun * TOP);
  let all = content(query, found, found.hits, coloursOf(found.words, found.hits), begun);
  const holds = (hit) => hit.number === photo || hit.near_duplicates.some((one) => one.number === photo);
  for (let last = begun; last < REACH && !all.complete && (all.numbers.length < many || (photo && !all.hits.some(holds))); last += 1) {
    all = await all.more(signal);
  }
  return all;
}

function content(query, found, all, colours, last) {
  return {
    numbers: all.map((hit) => hit.number), ratios: all.map((hit) => (hit.width && hit.height ? hit.width / hit.height : 1)),
    total: found.total, hits: all, videos: Object.fromEntries(all.filter((hit) => hit.time !== null).map((hit) => [hit.number, hit.duration ?? 0])), starts: [], days: [], dayOf: () => "", labelOf: () => "",
    words: found.words, colours, unknown: found.unknown, poor: found.poor_match, missing: found.not_searched ?? [],
    complete: all.length >= found.total || found.hits.length === 0,
    more: async (signal) => {
      const next = await page(query, last + 1, signal);
      return content(query, next, [...all, ...next.hits], colours, last + 1);
    },
  };
}

function page(query, number, signal, top = TOP) {
  const send = query.sketch ? api.searchSketch : query.upload ? api.searchUpload : api.search;
  return send(queries.request(query, number, top), signal);
}
