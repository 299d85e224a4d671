// Filters without a language: pickers of what there is, and a line for those who type conditions.

import { $, afterClick, make, redrawn } from "./dom.js";
import { dayLabel } from "./days.js";
import { judged } from "./query.js";
import { LIKELY, POSSIBLE } from "./tile.js";

const SIZES = { small: "Small (under 1 MP)", medium: "Medium", large: "Large (8 MP and more)" };
const KINDS = { photo: "Photos", video: "Videos" };
const SURE = { [100 * LIKELY]: "likely", [100 * POSSIBLE]: "possible" };
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Each folder with those above it, flat. */
const flat = (folders, above = "") => folders.flatMap((one) => [{ ...one, label: above + one.name }, ...flat(one.folders ?? [], `${above}${one.name} / `)]);

/** A labelled control; labels are never only placeholders. */
const field = (text, control, kind = "") => make(`label.field-of${kind}`, {}, make("span", {}, text), control);

const picker = (none, options) => make("select", {}, make("option", { value: "" }, none), ...options.map(([key, text]) => make("option", { value: key }, text)));

let now = null; // the query as it stands
const controls = new Map(); // each control -> its value of a query

/** A control whose value follows the query. */
function follows(control, valueOf) {
  controls.set(control, valueOf);
  return control;
}

/** Show a query in the controls; one that it does not change keeps what is being typed. */
function show(query) {
  for (const [control, valueOf] of controls) {
    const wanted = valueOf(query);
    if (now && valueOf(now) === wanted && control.dataset.shown !== undefined) continue;
    control.dataset.shown = "";
    if (control.type === "checkbox") { control.checked = wanted; continue; }
    const missing = control.options && wanted && ![...control.options].some((one) => one.value === String(wanted));
    if (missing) control.append(make("option", { value: wanted }, control.name === "sure" ? `At least ${wanted} %` : wanted));
    control.value = wanted;
  }
  const sure = $("sure");
  if (sure) sure.disabled = Boolean(query.q || query.text || query.not || query.like || query.upload) && !judged(query);
  now = query;
}

/** Whether somebody is typing in a place. */
const typing = (place) => place.contains(document.activeElement) && ["text", "date"].includes(document.activeElement.type);

let late = null; // what the pickers wait for to be drawn: that nobody types in them

/**
 * Fill the panel.
 *
 * change: called with what is chosen, as a change of the query. later: the same of what is typed, which may end with a click elsewhere.
 */
export function filterPanel({ query, facets, server, change, later }) {
  const panel = $("panel");
  const asks = (control) => (control.options || control.type === "checkbox" ? change : later);
  if (!panel.childElementCount) {
    panel.append(make("div.sets"));
    panel.addEventListener("focusout", () => setTimeout(() => afterClick(() => late && filterPanel({ ...late, query: now }))));
  }
  const sets = panel.firstElementChild;
  const missing = query.camera.filter((name) => !facets?.cameras.some((one) => one.name === name));
  late = null;
  for (const [place, ...of] of [[panel, server.names, server.text, server.calibrated], [sets, facets, missing]]) {
    const wanted = JSON.stringify(of);
    if (place.dataset.of === wanted) continue;
    if (place.dataset.of && typing(place)) { late = { query, facets, server, change, later }; continue; }
    place.dataset.of = wanted;
    redrawn(place, () => place.replaceChildren(...(place === panel ? [sets, ...always(server, asks)] : pickers(query, facets, asks)).filter(Boolean)));
  }
  for (const control of controls.keys()) if (!control.isConnected) controls.delete(control);
  show(query);
}

/** A field of text, a date or a picker; `changeOf` gives the change of the query by its value. */
function asking(name, control, asks, changeOf) {
  control.name = name;
  control.addEventListener("change", () => {
    if (control.type === "date" && control.value && control.value < "1000") return; // its year is still being typed
    asks(control)(changeOf(control.value));
  });
  return control;
}

/** One of them for one part of the query. */
const part = (name, asks, control) => follows(asking(name, control, asks, (value) => ({ [name]: value })), (query) => query[name]);

/** What is there whatever photos there are. */
function always(server, asks) {
  const input = (name, given) => part(name, asks, make("input", { id: name, maxlength: 500, ...given }));
  const sure = part("sure", asks, picker("Any", Object.entries(SURE).map(([key, text]) => [key, text === "likely" ? "Likely" : "Likely or possible"])));
  sure.id = "sure";
  const fold = follows(make("input", { type: "checkbox", name: "group", onchange: ({ target }) => asks(target)({ group: target.checked }) }), (query) => query.group);
  return [
    server.text && field("Written in it", input("text", { placeholder: "exit", title: "Words written in the photo, in any spelling; lond* is the start of a word" })),
    field("Less of", input("not", { placeholder: "grass" })),
    server.calibrated && field("How sure", sure),
    field("Where", input("where", { placeholder: "width >= 800 and date > 2024-05", spellcheck: "false", "aria-describedby": "names" }), ".wide"),
    make("label.tick", {}, fold, "Fold near-duplicates"),
    make("p.help", { id: "names" }, `Where: conditions joined by “and”, on ${server.names.join(", ")}.`)].filter(Boolean);
}

/** Pickers of what there is. */
function pickers(query, facets, asks) {
  if (!facets) return [field("In folder", part("under", asks, make("input", { maxlength: 500 })))];
  const counted = (found, text) => Object.entries(found ?? {}).map(([key, count]) => [key, `${text(key)} · ${count.toLocaleString("en")}`]);
  const date = (name, text) => field(text, part(name, asks, make("input", { type: "date", min: facets.first, max: facets.last })));
  const pick = (name, text, none, options) => field(text, part(name, asks, picker(none, options)));
  return [
    date("since", "From"), date("until", "Until"),
    facets.folders.length > 0 && pick("under", "Folder", "Any folder", flat(facets.folders).map((one) => [one.path, `${one.label} · ${one.count}`])),
    facets.cameras.length > 0 && cameras(facets.cameras, query, asks),
    facets.kinds.video > 0 && pick("kind", "Kind", "Photos and videos", counted(facets.kinds, (key) => KINDS[key])),
    pick("orientation", "Orientation", "Any", counted(facets.orientations, capital)),
    pick("size", "Size", "Any", counted(facets.sizes, (key) => SIZES[key] ?? key)),
    ...facets.columns.map((column) => ofColumn(column, asks)),
  ];
}

function cameras(found, query, asks) {
  const box = (one) => make("label.tick", {}, follows(make("input", {
    type: "checkbox", name: "camera", value: one.name,
    onchange: ({ target }) => asks(target)({ camera: target.checked ? [...now.camera, one.name] : now.camera.filter((other) => other !== one.name) }),
  }), (of) => of.camera.includes(one.name)), `${one.name} · ${one.count.toLocaleString("en")}`);
  const missing = query.camera.filter((name) => !found.some((one) => one.name === name)).map((name) => ({ name, count: 0 }));
  return make("fieldset.cameras", {}, make("legend", {}, "Camera"), make("div.options", { tabindex: "0", role: "group", "aria-label": "Cameras" }, ...[...found, ...missing].map(box)));
}

/** A picker of a metadata column: its values, or a field where there are too many. */
function ofColumn(column, asks) {
  const range = column.kind === "number" && column.least !== null ? `${column.least} to ${column.most}` : "";
  const control = column.values?.length ? picker("Any", column.values.map((one) => [String(one.value), `${one.value} · ${one.count.toLocaleString("en")}`])) : make("input", { placeholder: range });
  asking(`column-${column.name}`, control, asks, (value) => {
    const { [column.name]: _, ...others } = now.columns;
    return { columns: value === "" ? others : { ...others, [column.name]: value } };
  });
  return field(capital(column.name), follows(control, (query) => query.columns[column.name] ?? ""));
}

/** The filters that are set, each with a way to take it off. */
export function chosenFilters({ query, albums, change }) {
  const album = albums?.find((one) => one.id === query.album);
  const { columns } = query;
  const set = [
    query.album && [`Album: ${album?.name ?? query.album}`, { album: null }],
    query.since && [`From ${dayLabel(query.since)}`, { since: "" }],
    query.until && [`Until ${dayLabel(query.until)}`, { until: "" }],
    query.under && [`Folder: ${query.under}`, { under: "" }],
    ...query.camera.map((name) => [name, { camera: query.camera.filter((one) => one !== name) }]),
    query.orientation && [capital(query.orientation), { orientation: "" }],
    query.kind && [KINDS[query.kind] ?? query.kind, { kind: "" }],
    query.size && [SIZES[query.size] ?? query.size, { size: "" }],
    ...Object.entries(columns).map(([name, value]) => [`${capital(name)}: ${value}`, { columns: Object.fromEntries(Object.entries(columns).filter(([other]) => other !== name)) }]),
    query.text && [`Written: “${query.text}”`, { text: "" }],
    query.not && [`Less of “${query.not}”`, { not: "" }],
    query.sure !== "" && judged(query) && [`${capital(SURE[query.sure] ?? `at least ${query.sure} % sure`)}`, { sure: "" }],
    query.where && [query.where, { where: "" }],
    !query.group && ["Near-duplicates unfolded", { group: true }],
  ].filter(Boolean);
  $("set").textContent = set.length ? ` · ${set.length}` : "";
  $("chosen").hidden = set.length === 0;
  $("chosen").replaceChildren(...set.map(([text, off]) => make("button.chip", {
    type: "button", "aria-label": `Remove filter: ${text}`, title: "Remove", onclick: () => change(off),
  }, text, make("span", { "aria-hidden": "true" }, " ×"))));
}
