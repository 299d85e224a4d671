// Photos are added from a folder of the server's machine, one of those that it was started with.

import { indexing, startIndexing, stopIndexing } from "./api.js";
import { toast } from "./ask.js";
import { $, count, make } from "./dom.js";

const EVERY = 1000; // milliseconds between two looks
let timer = null; // of the next look, which comes also when the dialog is closed
let was = null;

/** Open the dialog; `done` is called when photos have been added. */
export async function addPhotos({ folders, done }) {
  const select = make("select", { name: "folder" }, ...folders.map((one) => make("option", { value: one }, one)));
  const below = make("input", { name: "below", maxlength: 500, placeholder: "all of it", spellcheck: "false" });
  const start = make("button.main", { type: "button", onclick: () => act(() => startIndexing(joined(select.value, below.value))) }, "Add photos");
  const stop = make("button", { type: "button", hidden: true, onclick: () => act(stopIndexing) }, "Stop");
  const bar = make("progress", { hidden: true, max: 1, "aria-label": "Photos read" });
  const said = make("p", { role: "status" });
  const broken = make("details", { hidden: true });
  const dialog = make("dialog.small", { "aria-labelledby": "adding" },
    make("div.ask", {}, make("h2", { id: "adding" }, "Add photos"),
      make("p.help", {}, "Photos of a folder on the server's machine are read and can be searched then. The files stay as they are."),
      make("label.field-of", {}, make("span", {}, "Folder"), select), make("label.field-of", {}, make("span", {}, "In it, only the folder"), below),
      bar, said, broken,
      make("div.buttons.end", {}, stop, start, make("button", { type: "button", onclick: () => dialog.close() }, "Close"))));

  async function act(work) {
    said.className = "";
    try {
      await work();
      await look();
    } catch (error) {
      said.className = "wrong";
      said.textContent = error.message;
    }
  }
  /** Look later again, whatever happens meanwhile. */
  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => look().catch((error) => { said.textContent = error.message; later(); }), EVERY);
  }
  async function look() {
    clearTimeout(timer);
    const now = await indexing();
    const running = now.state === "running";
    start.disabled = select.disabled = below.disabled = running;
    stop.hidden = bar.hidden = !running;
    if (now.total) bar.value = now.done / now.total;
    else bar.removeAttribute("value");
    said.textContent = told(now);
    said.className = now.state === "failed" ? "wrong" : "";
    list(now.broken ?? []);
    if (running) later();
    if (was === "running" && !running) { toast(now.message || "The photos are added."); done(); }
    was = now.state;
  }
  function list(found) {
    broken.hidden = found.length === 0;
    const unfolded = broken.open;
    broken.replaceChildren(make("summary", {}, `${count(found.length, "file")} could not be read`), files(found));
    broken.open = unfolded;
  }

  dialog.addEventListener("close", () => { dialog.remove(); $("add").focus(); });
  document.body.append(dialog);
  dialog.showModal();
  await act(async () => {});
}

const files = (found) => make("ul.broken-files", { tabindex: "0" }, ...found.map((one) => make("li", {}, make("code", {}, one.path), ` ${one.why}`)));

/** Open a dialog with the files that could not be read, and why. */
export async function unreadable() {
  const before = document.activeElement;
  let found = null;
  try { found = (await indexing()).broken; } catch (error) { return toast(error.message, true); }
  const dialog = make("dialog.small", { "aria-labelledby": "unreadable" },
    make("div.ask", {}, make("h2", { id: "unreadable" }, `${count(found.length, "file")} could not be read`), files(found),
      make("div.buttons.end", {}, make("button.main", { type: "button", onclick: () => dialog.close() }, "Close"))));
  dialog.addEventListener("close", () => { dialog.remove(); before?.focus?.(); });
  document.body.append(dialog);
  dialog.showModal();
}

const joined = (folder, below) => (below.trim() ? `${folder.replace(/[\\/]+$/, "")}/${below.trim().replace(/^[\\/]+/, "")}` : folder);

function told(now) {
  if (now.state !== "running") return now.state === "idle" ? "" : now.message;
  const left = now.seconds_left > 0 ? `, about ${now.seconds_left < 90 ? count(Math.ceil(now.seconds_left), "second") : count(Math.round(now.seconds_left / 60), "minute")} left` : "";
  return now.total ? `${now.done.toLocaleString("en")} of ${count(now.total, "photo")}${left}` : now.message || "Looking for photos…";
}
