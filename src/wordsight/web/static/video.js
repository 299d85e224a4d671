// The video that an opened frame is of: it takes the frame's place, and plays from there.

import { video } from "./api.js";
import { clock, make } from "./dom.js";
import { icon } from "./icons.js";

/**
 * A button to play the video of a frame, in the stage of the frame.
 *
 * number: of the frame. time: of the frame, seconds; null while nobody knows. told: called with the second where it was
 * paused, or with null once the frame is back.
 * Returns `{begin(time), play(from, paused), toggle(), free()}`.
 */
export function playerOf(stage, { number, time, told }) {
  let film = null;
  let from = time;
  const text = make("span");
  const button = make("button.play", { type: "button", title: "Play (Space)", "data-keep": "play", onclick: () => play() }, icon("play"), text);
  stage.append(button);

  function begin(second) {
    from = second;
    text.textContent = from === null ? "Play" : `Play from ${clock(from)}`;
  }

  /** Play from a second on, or show it and wait. */
  function play(second = from ?? 0, { paused = false } = {}) {
    if (film) return;
    film = make("video", { src: video(number), controls: true, playsinline: true, tabindex: "0", "aria-label": "The video" });
    const made = film;
    const room = make("div.film", {}, film, make("button.back", { type: "button", onclick: () => back() }, icon("picture"), "Back to the frame"));
    for (const name of ["pointerdown", "pointerup", "dblclick", "wheel"]) room.addEventListener(name, (event) => event.stopPropagation());
    film.addEventListener("loadedmetadata", () => { made.currentTime = second; if (!paused) made.play().catch(() => {}); }, { once: true });
    for (const name of ["pause", "seeked"]) film.addEventListener(name, () => { if (film === made && made.paused) told(Math.floor(made.currentTime)); });
    film.addEventListener("error", () => { if (film === made) refused(made); });
    stage.append(room);
    stage.classList.add("playing");
    film.focus({ preventScroll: true });
  }

  function refused(made) {
    made.replaceWith(make("p.refused", { role: "alert" }, "This browser cannot play this video. ",
      make("a", { href: video(number), download: "" }, "Download it"), " to play it in another program."));
    stage.querySelector(".film a").focus({ preventScroll: true });
  }

  function stop() {
    const made = film;
    film = null;
    if (!made) return;
    made.pause();
    made.removeAttribute("src"); // or it goes on loading
    made.load();
  }

  function back() {
    stop();
    stage.querySelector(".film")?.remove();
    stage.classList.remove("playing");
    button.focus({ preventScroll: true });
    told(null);
  }

  begin(from);
  return {
    begin, play, free: stop,
    toggle: () => { if (!film) play(); else if (film.paused) film.play().catch(() => {}); else film.pause(); },
  };
}

/** The other frames of a video that were found, best first. */
export function moments(hit, open, thumb) {
  if (!hit.moments?.length) return null;
  const more = hit.frames - 1 - hit.moments.length;
  return make("div", {}, make("h3", {}, "Other moments"), make("div.alike", {}, ...hit.moments.map((one) => make("button.bare.moment", {
    type: "button", "aria-label": `${hit.name} at ${clock(one.time)}`, onclick: () => open(one.number),
  }, make("img", { src: thumb(one.number), alt: "" }), make("span", {}, clock(one.time))))), more > 0 && make("p.help", {}, `and ${more} more`));
}
