// The page: a query comes from the form, the address or a picture; what it gives goes into the grid.

import * as api from "./api.js";
import { barOf } from "./actions.js";
import { usual } from "./boxes.js";
import * as contents from "./content.js";
import { $, afterClick, count, make, redrawn } from "./dom.js";
import { chosenFilters, filterPanel } from "./filters.js";
import { furnish } from "./furniture.js";
import { showGiven } from "./given.js";
import { gridIn } from "./grid.js";
import { addPhotos } from "./indexing.js";
import { takesPictures } from "./intake.js";
import { openedOver } from "./opened.js";
import * as queries from "./query.js";
import { padIn } from "./pad.js";
import { scrubberOf } from "./scrubber.js";
import { selectionOf } from "./selection.js";
import { albumHead, sidebar } from "./sidebar.js";
import { betterSpelling, suggesting } from "./suggest.js";
import { tileOf } from "./tile.js";
import { nothing, told } from "./told.js";
import { legend, lightWord, lightWords } from "./words.js";

const EMPTY = { numbers: [], ratios: [], hits: null, videos: {}, starts: [], days: [], dayOf: () => "", labelOf: () => "", total: 0, complete: true };
const KEPT = 8; // results that Back finds at once
const { NOTHING } = queries;

let server = null; // what it can do
let facets = null; // what photos can be chosen by
let albums = null;
let query = NOTHING;
let content = EMPTY;
let contentOf = null; // the address that it belongs to
let pending = {}; // filters that were typed, which are asked with the click that ended the typing, or after it
let stuck = null; // the content after which no more came, though there is more
let running = new AbortController();
let loading = false; // more hits
let settled = false; // what the query gives is there
const memory = new Map(); // address -> content

const light = (number) => lightWord(document.body, number);
const status = (text) => { $("status").textContent = text; };
const address = (photo = null, time = null) => queries.toAddress(query, photo, time);

const grid = gridIn($("grid"), {
  tileOf: (index, given) => tileOf(index, given, {
    address, selected: (number) => selection.has(number), light: (mark) => lightWords($("legend"), mark),
  }),
  moved: (fast) => { scrubber.moved(fast); keepScroll(); more(); },
});
const scrubber = scrubberOf(grid);
const selection = selectionOf(grid, { content: () => content, changed: () => drawBar() });
const openAlbum = () => albums?.find((one) => one.id === query.album) ?? null;
const drawBar = barOf(selection, { album: openAlbum, changed: () => renew() });
let opened = null; // the photo that is open over the grid
let pad = null;

function notice(text, wrong = false, ...inside) {
  $("notice").hidden = !text;
  $("notice").replaceChildren(text, ...inside);
  $("notice").classList.toggle("wrong", wrong);
}

/** Ask something else, which becomes a page of the history. A sentence that was typed is asked, too. */
function ask(change, { instead = false } = {}) {
  opened?.hide();
  const typed = $("q").value;
  query = { ...query, ...(typed !== query.q && { q: typed, sketch: null }), ...pending, ...change };
  pending = {};
  $("q").value = query.q;
  const wanted = address();
  memory.delete(wanted);
  saveScroll();
  if (wanted !== location.pathname + location.search) history[instead ? "replaceState" : "pushState"]({}, "", wanted);
  return start();
}

/** Ask with the click that goes on, if there is one: what was clicked counts for more. */
function askLater(change) {
  pending = { ...pending, ...change };
  afterClick(asksPending);
}
const asksPending = () => { if (Object.keys(pending).length) ask({}); };

/** Show what the query gives, scrolled to where it was. */
async function start(scroll = 0) {
  running.abort();
  const mine = (running = new AbortController());
  const key = address();
  if (key !== contentOf) selection.clear();
  light(null);
  furniture();
  notice("");
  settled = false;
  stuck = null;
  const given = query.sketch ?? query.upload;
  if (given && !queries.kept(given)) {
    put(EMPTY);
    status("");
    return notice("The picture of this search is not here any more; give it again.", true);
  }
  const known = memory.get(key);
  if (known) { put(known, scroll, key); return tell(null, mine.signal); }
  document.body.setAttribute("aria-busy", "true");
  status(queries.asked(query) ? "Searching…" : "Loading…");
  const began = performance.now();
  try {
    const found = await (queries.asked(query) ? contents.hits : contents.photos)(query, mine.signal, { photo: queries.fromAddress().photo, many: history.state?.many });
    put(found, scroll, key);
    remember(key, found);
    await tell(Math.round(performance.now() - began), mine.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    put(EMPTY);
    status("");
    notice(error.message, true);
    if (query.q.trim()) await meant(error.message, mine.signal);
  } finally {
    if (running === mine) document.body.removeAttribute("aria-busy");
  }
}

function remember(key, found) {
  memory.delete(key);
  memory.set(key, found);
  if (memory.size > KEPT) memory.delete(memory.keys().next().value);
}

function put(found, scroll = 0, of = null) {
  const other = of !== contentOf;
  content = found;
  contentOf = of;
  const words = found.words ?? [];
  $("results").hidden = !found.hits;
  $("legend").replaceChildren(...(words.length ? legend(words, usual(found.hits, found.colours), light) : []));
  $("start").hidden = true;
  grid.set(found);
  scrollTo(0, scroll);
  grid.render();
  scrubber.show(found);
  if (other) selection.clear();
  else selection.only(found.numbers);
  settled = true;
  if (other && opened.number()) opened.show(opened.number()); // it was opened among what was there before
}

/** More hits, once the end is near. */
async function more() {
  if (loading || content.complete || content === stuck || scrollY + 2.5 * innerHeight < document.documentElement.scrollHeight) return;
  loading = true;
  $("loading").hidden = false;
  const from = content;
  try {
    const next = await from.more(running.signal);
    if (content === from) {
      content = next;
      remember(address(), next);
      grid.set(next, { more: true });
      opened.grown();
    }
  } catch (error) {
    if (error.name !== "AbortError" && content === from) {
      stuck = from;
      notice(`${error.message} `, true, make("button.link", { type: "button", onclick: () => { stuck = null; notice(told(content, query, null).notice); more(); } }, "Try again"));
    }
  }
  loading = false;
  $("loading").hidden = true;
  if (content !== from) more();
}

/** Say honestly what came out. */
async function tell(ms, signal) {
  const said = told(content, query, ms);
  status(said.status);
  if (content.hits) notice(said.notice);
  else if (!content.total) {
    $("start").hidden = false;
    $("start").replaceChildren(...nothing(query, openAlbum(), ask));
  }
  if (content.unknown?.length) await meant(said.notice, signal);
}

/** Offer another spelling, where one is near. */
async function meant(text, signal) {
  const better = await betterSpelling(query.q, signal);
  if (!better || signal?.aborted) return;
  notice(text.replace(/; did you mean .*$/, "."), false, make("span", {}, " Did you mean "), make("button.link", { type: "button", onclick: () => ask({ q: better }) }, better), "?");
}

/** All around the grid: panels, filters and the picture that is searched by. */
function furniture() {
  const album = openAlbum();
  document.title = [query.q || query.text || album?.name, "wordsight"].filter(Boolean).join(" · ");
  filterPanel({ query, facets, server, change: ask, later: askLater });
  redrawn($("chosen"), () => chosenFilters({ query: album ? { ...query, album: null } : query, albums, change: ask }), $("filters"));
  redrawn($("places"), side);
  $("album").hidden = !album;
  redrawn($("album"), () => $("album").replaceChildren(...(album ? albumHead(album, { renew, leave: () => ask({ album: null }) }) : [])));
  showGiven(query, { server, ask });
  pad.show(query.sketch);
}

function side() {
  sidebar({
    query, facets, albums, pictures: server.pictures + server.videos, broken: server.broken, asked: queries.asked(query), renew,
    go: (change) => { document.body.classList.remove("side-open"); return ask(change); },
    address: (change) => queries.toAddress({ ...query, ...change }),
  });
  $("add").hidden = !server.folders?.length;
}

let renewals = 0;
let everything = false; // whether a renewal that has not ended is one of the photos
/** Get what may have changed: albums, and with `all` the photos, too. */
async function renew({ all = false } = {}) {
  const mine = (renewals += 1);
  everything ||= all;
  memory.clear();
  const found = await Promise.all([
    api.albums().catch(() => albums), everything || !facets ? api.facets().catch(() => facets) : facets, everything ? api.info().catch(() => server) : server,
  ]);
  if (mine !== renewals) return; // a later one knows more
  [albums, facets, server] = found;
  const again = everything || query.album;
  everything = false;
  if (again) await start(scrollY);
  else furniture();
}

let saving = null;
function saveScroll() {
  clearTimeout(saving);
  if (!settled) return; // nothing is there yet to be scrolled
  history.replaceState({ ...history.state, scroll: scrollY, many: content.numbers.length }, "");
}
function keepScroll() {
  clearTimeout(saving);
  saving = setTimeout(saveScroll, 150);
}

async function moveInHistory() {
  clearTimeout(saving);
  const before = address();
  const wanted = queries.fromAddress();
  query = wanted.query;
  if (address() !== before) { opened.hide(); $("q").value = query.q; await start(history.state?.scroll ?? 0); }
  if (queries.fromAddress().photo !== wanted.photo) return; // it has moved on meanwhile
  if (wanted.photo) opened.show(wanted.photo, wanted.time);
  else if (opened.number()) opened.closed();
}

function wire() {
  opened = openedOver(grid, {
    content: () => content, address, opening: () => { asksPending(); saveScroll(); }, nearEnd: more, can: server,
    searchBy: (number, box) => ask({ ...NOTHING, like: number, box }), albumOf: (id) => ask({ ...NOTHING, album: id }), changed: () => renew(),
  });
  pad = padIn($("pad"), $("draw"), {
    can: server.sketches,
    drawn: (file) => ask(file ? { ...NOTHING, sketch: queries.keep(file) } : NOTHING, { instead: Boolean(query.sketch) }),
    left: () => { if (query.sketch) ask(NOTHING); },
  });
  furnish({ submit: (text) => ask({ q: text, sketch: null }), home: () => ask(NOTHING), add: () => addPhotos({ folders: server.folders, done: () => renew({ all: true }) }) });
  suggesting({ submit: (text) => ask({ q: text, sketch: null }), examples: () => server.examples });
  takesPictures({ server, notice, take: (file) => ask({ ...NOTHING, upload: queries.keep(file) }) });
  $("grid").addEventListener("click", (event) => {
    const tile = event.target.closest("a.open")?.closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opened.open(+tile.dataset.number);
  });
  addEventListener("popstate", moveInHistory);
}

history.scrollRestoration = "manual";
try {
  const given = queries.fromAddress();
  query = given.query;
  $("q").value = query.q;
  server = await api.info();
  wire();
  const began = start(history.state?.scroll ?? 0);
  if (query.album) await renew();
  else renew();
  await began;
  if (given.photo) opened.show(given.photo, given.time);
} catch (error) {
  notice(error.message, true);
}
