// Words while typing: those the model knows, the ones found in this index first.

import { suggest } from "./api.js";
import { $, make } from "./dom.js";

const WAIT = 90; // milliseconds after a key
let run = new AbortController();

/** Make the search field suggest words; `submit` is called when one is taken, `examples` are offered where nothing is typed. */
export function suggesting({ submit, examples }) {
  const input = $("q");
  const list = $("words");
  let timer = null;
  let at = -1;

  const options = () => [...list.children];
  function close() {
    clearTimeout(timer);
    run.abort();
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function offer(words) {
    at = -1;
    input.removeAttribute("aria-activedescendant");
    list.replaceChildren(...words.map((word, place) => make("li", {
      role: "option", id: `word-${place}`, "aria-selected": "false", "data-text": word.full,
      onpointerdown: (event) => event.preventDefault(), onclick: () => take(word.full),
    }, make("span", {}, word.text), word.note && make("span.number", {}, word.note))));
    list.hidden = words.length === 0;
    input.setAttribute("aria-expanded", String(words.length > 0));
  }
  function take(text) {
    input.value = text;
    close();
    submit(text);
  }
  function point(place) {
    const all = options();
    if (!all.length) return;
    at = place >= all.length ? -1 : place;
    all.forEach((one, other) => one.setAttribute("aria-selected", String(other === at)));
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else { input.setAttribute("aria-activedescendant", all[at].id); all[at].scrollIntoView({ block: "nearest" }); }
  }
  async function look() {
    const text = input.value;
    if (!text.trim()) return offer(examples().map((word) => ({ text: word, full: word })));
    run.abort();
    const mine = (run = new AbortController());
    try {
      const found = await suggest(text, mine.signal);
      if (document.activeElement !== input || input.value !== text) return;
      const head = text.slice(0, text.length - (text.match(/\S*$/)?.[0].length ?? 0));
      const better = corrected(text, found.spelling);
      offer([
        ...(better !== text ? [{ text: better, full: better, note: "did you mean" }] : []),
        ...found.words.slice(0, 8).map((word) => ({ text: head + word.text, full: head + word.text, note: word.count ? word.count.toLocaleString("en") : "" })),
      ]);
    } catch { close(); } // it is only a help
  }

  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, WAIT); });
  input.addEventListener("focus", () => { if (!input.value) look(); });
  input.addEventListener("blur", close);
  $("ask").addEventListener("submit", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      point(event.key === "ArrowDown" ? at + 1 : at < 0 ? options().length - 1 : at - 1);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      take(options()[at].dataset.text);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });
}

/** A text with the nearest known words in place of unknown ones. */
export function corrected(text, spelling) {
  return text.replace(/[\p{L}\p{N}'’-]+/gu, (word) => spelling?.[word] ?? spelling?.[word.toLowerCase()] ?? word);
}

/** A better spelling of a text, or null. */
export async function betterSpelling(text, signal) {
  try {
    const better = corrected(text, (await suggest(`${text} `, signal)).spelling); // the last word is finished
    return better === text ? null : better;
  } catch {
    return null;
  }
}
