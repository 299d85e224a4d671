// The buttons around the grid: the form, the panels that fold, the switch for boxes, and keys for the whole page.

import { $ } from "./dom.js";
import { icon } from "./icons.js";

const BOXES = "wordsight.boxes"; // in the browser's storage

/** What was kept in this browser; some do not keep anything. */
function stored(name, value = undefined) {
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch { /* then it is asked again */ }
  return null;
}

/** Wire everything that is there from the start. */
export function furnish({ submit, home, add }) {
  $("menu").append(icon("menu"));
  $("go").append(icon("search"));
  $("pick").append(icon("picture"), "By picture…");
  $("filters").append(icon("filter"), "Filters", Object.assign(document.createElement("span"), { id: "set" }));
  $("add").append(icon("plus"), "Add photos…");
  $("ask").addEventListener("submit", (event) => { event.preventDefault(); submit($("q").value); });
  $("home").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    home();
  });
  $("filters").addEventListener("click", () => {
    $("panel").hidden = !$("panel").hidden;
    $("filters").setAttribute("aria-expanded", String(!$("panel").hidden));
    if (!$("panel").hidden) $("panel").querySelector("input, select")?.focus();
  });
  $("panel").addEventListener("keydown", (event) => { if (event.key === "Escape") { $("filters").click(); $("filters").focus(); } });
  $("add").addEventListener("click", add);
  menu();
  boxes();
  new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${$("top").offsetHeight}px`)).observe($("top"));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    ($("grid").querySelector('a.open[tabindex="0"]') ?? $("grid")).focus();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea, dialog");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      $("q").select();
    }
  });
}

/** The panel at the side: beside the grid where there is room, else over it. */
function menu() {
  const narrow = matchMedia("(max-width: 900px)");
  const body = document.body.classList;
  const told = () => {
    const shown = narrow.matches ? body.contains("side-open") : !body.contains("side-closed");
    $("menu").setAttribute("aria-expanded", String(shown));
  };
  $("menu").addEventListener("click", () => {
    body.toggle(narrow.matches ? "side-open" : "side-closed");
    told();
    if (narrow.matches && body.contains("side-open")) $("side").querySelector("a")?.focus();
  });
  const leave = () => { if (body.contains("side-open")) { body.remove("side-open"); told(); $("menu").focus(); } };
  $("side").addEventListener("keydown", (event) => { if (event.key === "Escape") leave(); });
  addEventListener("pointerdown", (event) => { if (!event.target.closest("#side, #menu, dialog")) leave(); });
  new MutationObserver(told).observe(document.body, { attributeFilter: ["class"] });
  narrow.addEventListener("change", told);
  told();
}

/** The switch that shows all boxes of the results. */
function boxes() {
  const put = (on) => {
    document.body.classList.toggle("show-boxes", on);
    $("boxes").setAttribute("aria-pressed", String(on));
  };
  $("boxes").append(icon("boxes"), "Show boxes");
  $("boxes").addEventListener("click", () => {
    const on = !document.body.classList.contains("show-boxes");
    put(on);
    stored(BOXES, on ? "1" : "0");
  });
  put(stored(BOXES) === "1");
}
