// One photo, large: its boxes with their words, and what can be done with it.

import { details, picture, thumb } from "./api.js";
import { boxed, marksOf } from "./boxes.js";
import { $, clock, make } from "./dom.js";
import { alike, buttons, facts, why } from "./facts.js";
import { icon } from "./icons.js";
import { tools } from "./region.js";
import { done } from "./situation.js";
import { zoomable } from "./stage.js";
import { altOf, sureness } from "./tile.js";
import { moments, playerOf } from "./video.js";
import { chips, hoverable, lightMark, lightWord } from "./words.js";

/**
 * The window of the opened photo.
 *
 * step: called with 1 or -1 for the next and the one before. leave: called when it is to close.
 * searchBy: called with its number and a box, or null for the whole photo. show: opens another photo by its number.
 * paused: called with its number and the second where its video is paused, or null. albumOf: opens an album. changed: albums have changed. can: what the server is able to do.
 */
export function viewer({ step, leave, searchBy, show: openOther, albumOf, changed, paused, can }) {
  const dialog = $("view");
  let zoom = null;
  let player = null; // of a video
  let loading = new AbortController();
  let number = null;

  dialog.addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) leave(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea, video") || event.altKey || event.ctrlKey || event.metaKey) return;
    const act = {
      ArrowRight: () => step(1), ArrowLeft: () => step(-1), "+": () => zoom.zoom(1.5), "=": () => zoom.zoom(1.5), "-": () => zoom.zoom(1 / 1.5),
      0: () => zoom.reset(), i: () => panel(), " ": player && !event.target.closest("button, a, summary") && player.toggle,
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  function panel() {
    const off = dialog.classList.toggle("plain");
    dialog.querySelector(".of-panel").setAttribute("aria-expanded", String(!off));
    dialog.querySelector(".aside").hidden = off;
  }

  /**
   * Show a photo; `given` has its number, hit or null, ratio, the words and colours of the query, place and neighbours,
   * whether it is of a video, and the second where that was paused or null.
   */
  function show(given) {
    const { hit, ratio, words, colours, place, before, after, from } = given;
    number = given.number;
    const focus = (dialog.open && document.activeElement?.dataset.keep) || (given.video ? "play" : "close");
    zoom?.free();
    player?.free();
    const marks = hit ? marksOf(hit, colours) : [];
    const frame = boxed(picture(number), hit ? altOf(hit, marks) : "The photo", marks, { fallback: thumb(number) });
    frame.style.backgroundImage = `url("${thumb(number)}")`;
    const control = (kind, sign, label, title, act, off = false) => make(`button.icon-only.${kind}`, {
      type: "button", "aria-label": label, title, disabled: off, onclick: act, "data-keep": kind,
    }, icon(sign));
    const stage = make("div.stage", {}, frame,
      control("before", "left", "Previous", "Previous (←)", () => step(-1), !before), control("after", "right", "Next", "Next (→)", () => step(1), !after));
    player = given.video ? play(stage, hit) : null;
    if (from) player?.play(from, { paused: true });
    const kit = tools(frame, {
      subject: { number }, can, boxOf: (mark) => marks[mark].box, searchBy: (box) => searchBy(number, box),
      draws: (event) => event.pointerType === "mouse" && zoom.scale() === 1,
    });
    const title = make("h2", {}, hit ? called(hit) : "Photo");
    const rest = make("div.rest", {}, make("p.help", {}, "…"));
    const aside = make("div.aside", { hidden: dialog.classList.contains("plain") }, title, kit.element, can.situations && done(frame, { number }, kit.choose), ...evidence(hit, words, marks, kit), rest);
    const item = make("div.large", { "data-hit": hit && number }, stage, aside);
    item.marks = marks;
    hoverable(frame, (mark) => lightMark(item, mark));
    dialog.replaceChildren(make("div.bar-top", {},
      control("close", "close", "Close", "Close (Esc)", leave), make("span.rank", {}, place),
      control("smaller", "minus", "Zoom out", "Zoom out (−)", () => zoom.zoom(1 / 1.5)), control("larger", "plus", "Zoom in", "Zoom in (+)", () => zoom.zoom(1.5)),
      make("button.icon-only.of-panel", { type: "button", "aria-label": "Details", title: "Details (i)", "aria-expanded": String(!aside.hidden), onclick: panel, "data-keep": "of-panel" }, icon("info"))), item);
    if (!dialog.open) dialog.showModal();
    const mine = (zoom = zoomable(stage, frame, { ratio, swiped: step, drawing: kit.begins }));
    const image = frame.querySelector("img");
    image.addEventListener("load", () => { if (image.naturalWidth) mine.shape(image.naturalWidth / image.naturalHeight); });
    const wanted = dialog.querySelector(`[data-keep="${focus}"]:not(:disabled)`) ?? dialog.querySelector(".close");
    wanted.focus({ preventScroll: true });
    fill(number, { hit, title, rest, image, stage, from });
  }

  function play(stage, hit) {
    const of = number;
    return playerOf(stage, { number: of, time: hit?.time ?? null, told: (second) => { if (number === of) paused(of, second); } });
  }

  async function fill(of, { hit, title, rest, image, stage, from = null }) {
    loading.abort();
    const mine = (loading = new AbortController());
    try {
      const found = await details(of, mine.signal);
      title.textContent = called(found);
      dialog.setAttribute("aria-label", called(found));
      if (!hit) image.alt = called(found);
      if (found.time !== null) {
        if (!player) { player = play(stage, hit); if (from) player.play(from, { paused: true }); }
        player.begin(found.time);
      }
      rest.replaceChildren(...[
        buttons(found, { can, changed: async () => { await changed(); if (number === of) fill(of, { hit, title, rest, image, stage }); } }),
        facts(found, albumOf), hit && moments(hit, openOther, thumb), hit && alike(hit, openOther)].filter(Boolean));
    } catch (error) {
      if (error.name === "AbortError") return;
      rest.replaceChildren(make("p.wrong", {}, error.message));
    }
  }

  /** Why it was found: how sure that is, the words and their boxes, and what the score is made of. */
  function evidence(hit, words, marks, kit) {
    if (!hit) return [];
    const light = (word) => lightWord(dialog, word);
    const item = () => dialog.querySelector(".large");
    return [make("div.evidence", {}, ...[sureness(hit), hit.words.length > 0 && chips(hit, words, marks, light), phrases(item, marks, kit), why(hit)].filter(Boolean))];
  }

  /** What there is beside the photo. */
  function beside({ before, after }) {
    if (number === null) return;
    dialog.querySelector(".before").disabled = !before;
    dialog.querySelector(".after").disabled = !after;
  }

  function hide() {
    loading.abort();
    zoom?.free();
    player?.free();
    zoom = player = null;
    number = null;
    if (dialog.open) dialog.close();
    dialog.replaceChildren();
  }
  return { show, hide, beside, number: () => number };
}

/** The name of a photo, or of a video with the time of its frame. */
const called = (one) => (one.time === null ? one.name : `${one.name} at ${clock(one.time)}`);

/** A button a phrase: pointing at it lights its box, choosing it takes its box as the region. */
function phrases(item, marks, kit) {
  const all = marks.map((mark, number) => ({ mark, number })).filter(({ mark }) => mark.colour);
  if (!all.length) return null;
  const top = Math.max(...all.map(({ mark }) => mark.strength), 1e-9);
  const regions = all.filter(({ mark }) => mark.region).map(({ number }) => number);
  const part = (number) => `what was asked for${regions.length > 1 ? `, part ${regions.indexOf(number) + 1}` : ""}`;
  const bar = (strength) => make("i.bar", { "--share": Math.max(strength / top, 0).toFixed(3) });
  return make("ul.phrases", {}, ...all.map(({ mark, number }) => make("li", {}, make(`button${mark.weak ? ".weak" : ""}`, {
    type: "button", "--c": mark.colour, title: "Take this box, to find more with it",
    onpointerenter: () => lightMark(item(), number), onpointerleave: () => lightMark(item(), null),
    onfocus: () => lightMark(item(), number), onblur: () => lightMark(item(), null),
    onclick: () => kit.choose(mark.box),
  }, make("span", {}, mark.region ? part(number) : mark.text), bar(mark.strength)))));
}
