// Filters without a language: pickers of what there is, and a line for those who type conditions.

import { $, make } from "./dom.js";
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

function picker(name, none, options, value) {
  const there = options.some(([key]) => String(key) === String(value));
  const select = make("select", { name }, make("option", { value: "" }, none),
    ...options.map(([key, text]) => make("option", { value: key }, text)), !there && value !== "" && value !== undefined && make("option", { value }, value));
  select.value = value ?? "";
  return select;
}

/** Whether the panel has the focus in a field whose text is not asked yet. */
export function typing(query) {
  const { name, type, value } = document.activeElement;
  return type === "text" && $("panel").contains(document.activeElement) && value !== (query[name] ?? query.columns[name.replace(/^column-/, "")] ?? "");
}

/** Fill the panel; `change` is called with what is chosen, as a change of the query. */
export function filterPanel({ query, facets, server, change }) {
  const said = (name) => (event) => change({ [name]: event.target.value });
  const counted = (found, text) => Object.entries(found ?? {}).map(([key, count]) => [key, `${text(key)} · ${count.toLocaleString("en")}`]);
  const date = (name, text) => field(text, make("input", { type: "date", name, value: query[name], min: facets?.first, max: facets?.last, onchange: said(name) }));
  const on = (select, act) => { select.addEventListener("change", act); return select; };
  const sets = facets ? [
    date("since", "From"), date("until", "Until"),
    facets.folders.length > 0 && field("Folder", on(picker("under", "Any folder", flat(facets.folders).map((one) => [one.path, `${one.label} · ${one.count}`]), query.under), said("under"))),
    facets.cameras.length > 0 && cameras(facets.cameras, query, change),
    facets.kinds.video > 0 && field("Kind", on(picker("kind", "Photos and videos", counted(facets.kinds, (key) => KINDS[key]), query.kind), said("kind"))),
    field("Orientation", on(picker("orientation", "Any", counted(facets.orientations, capital), query.orientation), said("orientation"))),
    field("Size", on(picker("size", "Any", counted(facets.sizes, (key) => SIZES[key] ?? key), query.size), said("size"))),
    ...facets.columns.map((column) => ofColumn(column, query, change)),
  ] : [field("In folder", make("input", { name: "under", maxlength: 500, value: query.under, onchange: said("under") }))];
  const less = make("input", { id: "not", name: "not", maxlength: 500, placeholder: "grass", value: query.not, onchange: said("not") });
  const text = make("input", { id: "text", name: "text", maxlength: 500, placeholder: "exit", value: query.text, onchange: said("text"), title: "Words written in the photo, in any spelling; lond* is the start of a word" });
  const sure = on(picker("sure", "Any", Object.entries(SURE).map(([key, text]) => [key, text === "likely" ? "Likely" : "Likely or possible"]), query.sure), said("sure"));
  sure.id = "sure";
  if (query.sure && !SURE[query.sure]) sure.selectedOptions[0].textContent = `At least ${query.sure} %`;
  sure.disabled = Boolean(query.q || query.text || query.not || query.like || query.upload) && !judged(query);
  const where = make("input", { id: "where", name: "where", maxlength: 500, placeholder: "width >= 800 and date > 2024-05", spellcheck: "false", value: query.where, onchange: said("where"), "aria-describedby": "names" });
  const fold = make("input", { type: "checkbox", name: "group", checked: query.group, onchange: (event) => change({ group: event.target.checked }) });
  $("panel").replaceChildren(...[
    ...sets, server.text && field("Written in it", text), field("Less of", less), server.calibrated && field("How sure", sure), field("Where", where, ".wide"),
    make("label.tick", {}, fold, "Fold near-duplicates"),
    make("p.help", { id: "names" }, `Where: conditions joined by “and”, on ${server.names.join(", ")}.`)].filter(Boolean));
}

function cameras(found, query, change) {
  const box = (one) => make("label.tick", {}, make("input", {
    type: "checkbox", name: "camera", value: one.name, checked: query.camera.includes(one.name),
    onchange: (event) => change({ camera: event.target.checked ? [...query.camera, one.name] : query.camera.filter((other) => other !== one.name) }),
  }), `${one.name} · ${one.count.toLocaleString("en")}`);
  const missing = query.camera.filter((name) => !found.some((one) => one.name === name)).map((name) => ({ name, count: 0 }));
  return make("fieldset.cameras", {}, make("legend", {}, "Camera"), make("div.options", { tabindex: "0", role: "group", "aria-label": "Cameras" }, ...[...found, ...missing].map(box)));
}

/** A picker of a metadata column: its values, or a field where there are too many. */
function ofColumn(column, query, change) {
  const value = query.columns[column.name] ?? "";
  const set = (event) => {
    const { [column.name]: _, ...others } = query.columns;
    change({ columns: event.target.value === "" ? others : { ...others, [column.name]: event.target.value } });
  };
  if (column.values?.length) {
    const select = picker(`column-${column.name}`, "Any", column.values.map((one) => [String(one.value), `${one.value} · ${one.count.toLocaleString("en")}`]), value);
    select.addEventListener("change", set);
    return field(capital(column.name), select);
  }
  const range = column.kind === "number" && column.least !== null ? `${column.least} to ${column.most}` : "";
  return field(capital(column.name), make("input", { name: `column-${column.name}`, value, placeholder: range, onchange: set }));
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
