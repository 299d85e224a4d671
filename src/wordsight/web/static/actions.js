// What can be done with the selected photos: the bar at the bottom.

import * as api from "./api.js";
import { ask, NAMED, toast } from "./ask.js";
import { $, count, make } from "./dom.js";
import { icon } from "./icons.js";

const MOST = 10_000; // photos of one download

/** Save photos as a zip file: the browser's own download, of any size. */
export async function download(numbers) {
  if (numbers.length > MOST) return toast(`At most ${count(MOST, "photo")} can be downloaded at once.`, true);
  try { await api.info(); } catch (error) { return toast(error.message, true); } // nobody would say that it failed
  const frame = make("iframe", { name: "download", hidden: true }); // an error page replaces this, not the page
  const form = make("form", { method: "post", action: api.download, target: "download", hidden: true }, make("input", { name: "numbers", value: numbers.join() }));
  document.querySelector("iframe[name=download]")?.remove();
  document.body.append(frame, form);
  form.submit();
  form.remove();
  toast(`Downloading ${count(numbers.length, "photo")}…`);
}

/** Put text on the clipboard, also where the browser has none for a page without https. */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const place = make("textarea", { class: "away", "aria-hidden": "true" });
    place.value = text;
    ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(place);
    place.select();
    const done = document.execCommand("copy");
    place.remove();
    if (!done) return toast("The browser does not let this page copy.", true);
  }
  toast(said);
}

/** Copy the paths of photos, a line each. */
export async function copyPaths(numbers) {
  try {
    const paths = await api.paths(numbers);
    await copy(paths.join("\n"), `Copied ${count(paths.length, "path")}.`);
  } catch (error) {
    toast(error.message, true);
  }
}

/** Ask for an album, new or there already, and add photos to it; gives whether any was changed. */
export async function addToAlbum(numbers) {
  try {
    const there = await api.albums();
    const select = make("select", { name: "album", "aria-label": "Album", onchange: () => show() },
      ...there.map((album) => make("option", { value: album.id }, `${album.name} (${album.count})`)), make("option", { value: "" }, "New album…"));
    const name = make("input", { name: "name", maxlength: 200, pattern: NAMED, placeholder: "Name of the new album", "aria-label": "Name of the new album" });
    const show = () => { name.hidden = select.value !== ""; name.required = !name.hidden; };
    show();
    if (!there.length) select.hidden = true;
    const wanted = await ask(`Add ${count(numbers.length, "photo")} to an album`, [select, name], { yes: "Add", read: () => ({ id: select.value, name: name.value.trim() }) });
    if (!wanted) return false;
    if (wanted.id) await api.fillAlbum(+wanted.id, { add: numbers });
    else await api.makeAlbum(wanted.name, numbers);
    toast(`Added ${count(numbers.length, "photo")} to “${wanted.id ? there.find((one) => one.id === +wanted.id).name : wanted.name}”.`);
    return true;
  } catch (error) {
    toast(error.message, true);
    return false;
  }
}

/** The bar; `album` gives the open album or null, `changed` is called when albums have changed. */
export function barOf(selection, { album, changed }) {
  const bar = $("actions");
  const said = make("span.count", { role: "status" });
  const button = (sign, text, act) => make("button.quiet", { type: "button", onclick: act, title: text, "aria-label": text }, icon(sign), make("span", {}, text));
  const remove = button("minus", "Remove from album", async () => {
    const open = album();
    try {
      await api.fillAlbum(open.id, { remove: selection.numbers() });
      toast(`Removed ${count(selection.size(), "photo")} from “${open.name}”; the files stay.`);
      selection.clear();
    } catch (error) { toast(error.message, true); }
    changed(); // after an error, too: the album may be gone
  });
  bar.replaceChildren(
    make("button.quiet.icon-only", { type: "button", "aria-label": "Clear selection", title: "Clear selection (Esc)", onclick: () => selection.clear() }, icon("close")),
    said,
    button("download", "Download", () => download(selection.numbers())),
    button("copy", "Copy paths", () => copyPaths(selection.numbers())),
    button("plus", "Add to album", async () => { if (await addToAlbum(selection.numbers())) changed(); }),
    remove);
  return () => {
    bar.hidden = selection.size() === 0;
    document.body.classList.toggle("selecting", !bar.hidden);
    said.textContent = `${count(selection.size(), "photo")} selected`;
    remove.hidden = !album();
  };
}
