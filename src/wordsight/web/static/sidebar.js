// The panel at the side: all photos, albums, and the folders as a tree.

import { albumFile, changeAlbum, deleteAlbum, makeAlbum } from "./api.js";
import { askName, confirmed, toast } from "./ask.js";
import { $, count as files, make } from "./dom.js";
import { icon } from "./icons.js";
import { unreadable } from "./indexing.js";

/** A line of the panel: a link with its count. */
function line(text, { sign, count, current, href, act, before = null }) {
  const link = make(`a.entry${current ? ".current" : ""}`, {
    href, "aria-current": current && "page",
    onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      act();
    },
  }, icon(sign), make("span.label", { title: text }, text), count !== undefined && make("span.number", {}, count.toLocaleString("en")));
  return make("div.line", {}, before, link);
}

const open = new Set(); // folders that are unfolded
const begun = new Set(); // the only one at the top was unfolded once

/** Folders below one another; those that hold the current one are unfolded. */
function tree(folders, { query, go, address, draw }, depth = 0) {
  return make("ul.tree", {}, ...folders.map((folder) => {
    const inside = folder.folders?.length > 0;
    const holds = query.under === folder.path || query.under.startsWith(`${folder.path}/`);
    const unfolded = open.has(folder.path) || (holds && query.under !== folder.path);
    const fold = inside ? make("button.fold", {
      type: "button", "aria-expanded": String(unfolded), "aria-label": `Folders in ${folder.name}`,
      onclick: () => { if (!open.delete(folder.path)) open.add(folder.path); draw(folder.path); },
    }, icon("right")) : make("span.fold");
    const change = { under: query.under === folder.path ? "" : folder.path };
    return make("li", { "--depth": depth, "data-path": folder.path },
      line(folder.name, { sign: "folder", count: folder.count, current: query.under === folder.path, href: address(change), act: () => go(change), before: fold }),
      inside && unfolded && tree(folder.folders, { query, go, address, draw }, depth + 1));
  }));
}

/**
 * Draw the panel; `broken` is how many files could not be read.
 *
 * facets: as the server gives them, or null. albums: the same. go: called with a change of the query.
 * address: the address of such a change. renew: called when albums have changed.
 */
export function sidebar({ query, facets, albums, pictures, broken, go, address, renew, asked }) {
  const everything = { q: "", not: "", like: null, upload: null, box: null, album: null, under: "" };
  const tops = facets?.folders ?? [];
  if (tops.length === 1 && !begun.has(tops[0].path)) { begun.add(tops[0].path); open.add(tops[0].path); }
  const draw = (path) => {
    place.replaceChildren(...folders());
    if (path) [...place.querySelectorAll("li")].find((one) => one.dataset.path === path)?.querySelector(".fold").focus();
  };
  const folders = () => (facets?.folders.length ? [make("h2", {}, "Folders"), tree(facets.folders, { query, go, address, draw })] : []);
  const place = make("div", {}, ...folders());
  const all = line("Photos", {
    sign: "photos", count: pictures, current: !query.album && !query.under && !asked, href: address(everything), act: () => go(everything),
  });
  const create = make("button.quiet.icon-only", { type: "button", "aria-label": "New album", title: "New album", onclick: async () => {
    const name = await askName("New album", { yes: "Make" });
    if (!name) return;
    try { await makeAlbum(name, []); await renew(); } catch (error) { toast(error.message, true); }
  } }, icon("plus"));
  const made = albums && [
    make("div.titled", {}, make("h2", {}, "Albums"), create),
    albums.length ? make("ul", {}, ...albums.map((album) => {
      const change = { album: query.album === album.id ? null : album.id };
      return make("li", {}, line(album.name, { sign: "album", count: album.count, current: query.album === album.id, href: address(change), act: () => go(change) }));
    })) : make("p.help", {}, "Select photos to put them into an album. The files stay where they are."),
  ];
  $("places").replaceChildren(all, ...(made || []), place);
  $("about").replaceChildren(...(broken > 0 ? [make("button.link", { type: "button", onclick: unreadable }, `${files(broken, "file")} could not be read`)] : []));
}

/** What can be done with the open album, above its photos. */
export function albumHead(album, { renew, leave }) {
  const tried = (act) => async () => {
    try { await act(); } catch (error) { toast(error.message, true); await renew(); } // it may be gone
  };
  const rename = tried(async () => {
    const name = await askName("Rename the album", { value: album.name, yes: "Rename" });
    if (!name) return;
    await changeAlbum(album.id, { name });
    await renew();
  });
  const remove = tried(async () => {
    if (!await confirmed(`Delete the album “${album.name}”?`, "The photos and their files stay.", "Delete")) return;
    await deleteAlbum(album.id);
    leave();
    await renew();
  });
  const file = (format) => make("a.button", { href: albumFile(album.id, format), download: true }, `Export ${format.toUpperCase()}`);
  return [
    make("h2", {}, album.name),
    make("div.buttons", {},
      make("button", { type: "button", onclick: rename }, "Rename"), file("json"), file("csv"),
      make("button", { type: "button", onclick: remove }, "Delete")),
  ];
}
