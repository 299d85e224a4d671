// The page: a query comes from the form, the address or a picture; its results go into the grid.

import * as api from "./api.js";
import { boxed, coloursOf, usual } from "./boxes.js";
import { $, count, make, percent } from "./dom.js";
import { arrows, result } from "./grid.js";
import * as queries from "./query.js";
import { tools } from "./region.js";
import { view } from "./view.js";
import { legend, lightWord } from "./words.js";

const NONE = { q: "", like: null, upload: null, box: null };
let server = null; // what it can do
let query = queries.fromAddress();
let shown = { words: [], colours: [], hits: [], total: 0, page: 0 };
let running = new AbortController();

const light = (number) => lightWord(document.querySelector("main"), number);
const status = (text) => { $("status").textContent = text; };

function notice(text, wrong = false) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
  $("notice").classList.toggle("wrong", wrong);
}

/** Ask something new, which becomes a page of the history. */
function ask(changed) {
  query = { ...query, ...queries.filters(), ...changed };
  const address = queries.toAddress(query);
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  start();
}

/** Run the query from its first page. */
async function start() {
  queries.show(query);
  document.title = query.q ? `${query.q} · wordsight` : "wordsight";
  shown = { words: [], colours: [], hits: [], total: 0, page: 0 };
  given();
  notice("");
  welcome(!queries.asked(query));
  if (!queries.asked(query)) {
    running.abort();
    clear();
    return status("");
  }
  if (query.upload && !queries.kept(query.upload)) {
    clear();
    status("");
    return notice("The picture of this search is not here any more; give it again.", true);
  }
  await page(1);
}

function clear() {
  light(null);
  $("grid").replaceChildren();
  $("legend").hidden = $("more").hidden = true;
}

/** Get a page of results, and put it behind those that are there. */
async function page(number) {
  running.abort();
  const mine = (running = new AbortController());
  $("grid").setAttribute("aria-busy", "true");
  $("more").disabled = true;
  status("Searching…");
  const began = performance.now();
  try {
    const send = query.upload ? api.searchUpload : api.search;
    const found = await send(queries.request(query, number), mine.signal);
    if (number === 1) clear();
    add(found, number);
    tell(found, Math.round(performance.now() - began));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (number === 1) clear();
    status("");
    notice(error.message, true);
  }
  $("grid").removeAttribute("aria-busy");
  $("more").disabled = false;
}

function add(found, number) {
  const colours = number === 1 ? coloursOf(found.words, found.hits) : shown.colours;
  const before = shown.hits.length;
  shown = { ...found, colours, hits: [...shown.hits, ...found.hits], page: number };
  if (number === 1) {
    $("legend").replaceChildren(...legend(found.words, usual(found.hits, colours), light));
    $("legend").hidden = found.words.length === 0;
  }
  $("grid").append(...found.hits.map((hit) => result(hit, found.words, colours, { open, light })));
  const buttons = $("grid").querySelectorAll("button.open");
  if (number === 1 && buttons.length) buttons[0].tabIndex = 0;
  if (number > 1) buttons[before]?.focus();
  $("more").hidden = shown.hits.length >= found.total || found.hits.length === 0;
}

/** Say honestly what came out. */
function tell(found, ms) {
  const said = [];
  if (found.unknown.length) said.push(`The model does not know ${found.unknown.map((word) => `“${word}”`).join(", ")}: searched by the other words.`);
  const best = shown.hits[0];
  if (!best) {
    const filtered = query.where || query.under || query.sure !== "";
    said.push(filtered ? "Nothing here matches, with these filters." : "Nothing here matches.");
  } else if (found.poor_match) {
    said.push(`Nothing here matches well: the best is ${percent(best.confidence)} sure. These are the nearest.`);
  }
  notice(said.join(" "));
  const all = found.total === shown.hits.length;
  status(best ? `${all ? "" : `${shown.hits.length} of `}${count(found.total, "picture")}, best first · ${ms} ms` : "");
}

/** A result, large. */
function open(hit) {
  const go = (from) => (way) => shown.hits[from + way] ?? null;
  const { words, colours } = shown;
  view(hit, {
    words, colours, can: server, go: go(shown.hits.indexOf(hit)),
    searchBy: (one, box) => ask({ ...NONE, like: one.number, box }),
  });
}

/** The picture that is searched by, above the results. */
function given() {
  const file = query.upload ? queries.kept(query.upload) : null;
  const place = $("given");
  for (const old of place.querySelectorAll("img")) if (old.src.startsWith("blob:")) URL.revokeObjectURL(old.src);
  place.hidden = !query.like && !file;
  $("q").placeholder = place.hidden ? "What is in the picture?" : "and what else?";
  if (place.hidden) return place.replaceChildren();
  const source = file ? URL.createObjectURL(file) : api.picture(query.like);
  const frame = boxed(source, file ? file.name || "your picture" : "the picture that is searched by", [], {
    lazy: false, fallback: file ? "" : api.thumb(query.like),
  });
  const kit = tools(frame, {
    subject: file ? { picture: file } : { number: query.like }, can: server, chosen: query.box, searched: true,
    searchBy: (box) => ask({ box }),
  });
  const what = query.box ? "Pictures with what is in this region" : "Pictures like this one";
  const title = query.q.trim() ? `${what}, and “${query.q.trim()}”` : what;
  const remove = make("button.quiet", { type: "button", onclick: () => ask({ like: null, upload: null, box: null }) }, "Remove picture");
  kit.element.querySelector(".buttons").append(remove);
  const legend = make("p.help", {}, "The grey boxes in the results are what is most alike.");
  place.replaceChildren(frame, make("div", {}, make("h2", {}, title), legend, kit.element));
}

/** What can be asked, before anything is. */
function welcome(wanted) {
  $("start").hidden = !wanted;
  if (!wanted || !server) return;
  const words = server.examples.map((word) => make("button.chip", {
    type: "button", onclick: () => ask({ q: word }),
  }, word));
  $("start").replaceChildren(make("div", {},
    make("h1", {}, `${count(server.pictures, "picture")} in ${server.name}`),
    make("p", {}, "Type a sentence, or drop, paste or pick a picture, or both. Every result shows which part of it matched which word."),
    make("p.soft", {}, `The model knows ${server.words ? count(server.words, "word") : "any word"}, such as`), make("div.chips", {}, ...words),
    server.broken > 0 && make("p.soft", {}, `${count(server.broken, "file")} could not be read when the index was built; \`wordsight index info\` lists them.`)));
}

/** Search by a picture file. */
function take(file) {
  if (!file) return;
  if (file.size > server.max_bytes) {
    return notice(`${file.name}: larger than ${Math.floor(server.max_bytes / 2 ** 20)} MB, which is the most that is taken.`, true);
  }
  ask({ ...NONE, upload: queries.keep(file) });
}

function wire() {
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ q: $("q").value });
  });
  $("filters").addEventListener("change", () => { if (queries.asked({ ...query, ...queries.filters() })) ask({}); });
  $("home").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    queries.show({ ...NONE, not: "", where: "", under: "", sure: "", top: 24, group: false });
    ask(NONE);
    $("q").focus();
  });
  $("pick").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { take($("file").files[0]); $("file").value = ""; });
  $("more").addEventListener("click", () => page(shown.page + 1));
  addEventListener("popstate", () => { $("view").close(); query = queries.fromAddress(); start(); });
  addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); take(event.clipboardData.files[0]); } });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, dialog");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      $("q").select();
    }
  });
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => { if (carries(event)) { event.preventDefault(); $("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
  addEventListener("drop", (event) => {
    $("drop").hidden = true;
    if (!carries(event)) return;
    event.preventDefault();
    $("view").close();
    take(event.dataTransfer.files[0]);
  });
  arrows($("grid"));
}

try {
  server = await api.info();
  $("sure-field").hidden = !server.calibrated;
  $("names").textContent = `Where: conditions joined by “and”, on ${server.names.join(", ")}.`;
  wire();
  await start();
} catch (error) {
  notice(error.message, true);
}
