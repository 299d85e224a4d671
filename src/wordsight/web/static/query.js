// What is asked, kept in the address: so that the back button works, and a search can be kept as a bookmark.

const files = new Map(); // pictures that were given in this tab; an address can name them, but not hold them
const LESS = -0.5;
const TEXTS = ["q", "text", "not", "sure", "where", "since", "until", "under", "orientation", "size", "kind"];

/** Nothing asked, no filter. */
export const NOTHING = Object.freeze({
  q: "", text: "", like: null, upload: null, sketch: null, box: null, not: "", sure: "", group: true,
  where: "", since: "", until: "", under: "", orientation: "", size: "", kind: "", camera: [], album: null, columns: {},
});
/** The part of `NOTHING` that chooses among all photos. */
export const NO_FILTER = Object.freeze(Object.fromEntries(
  ["where", "since", "until", "under", "orientation", "size", "kind", "camera", "album", "columns"].map((name) => [name, NOTHING[name]])));

/** The query in an address, the number of the opened photo, and where its video was paused; or null. */
export function fromAddress(search = location.search) {
  const given = new URLSearchParams(search);
  const box = (given.get("box") ?? "").split(",").map(Number);
  const sure = given.get("sure")?.trim();
  const number = (name) => { const value = Number(given.get(name)); return Number.isInteger(value) && value > 0 ? value : null; };
  const columns = given.getAll("column").filter((one) => one.includes(":")).map((one) => [one.slice(0, one.indexOf(":")), one.slice(one.indexOf(":") + 1)]);
  return {
    query: {
      ...Object.fromEntries(TEXTS.map((name) => [name, given.get(name) ?? ""])),
      sure: sure && sure >= 0 && sure <= 100 ? String(+sure) : "",
      like: number("like"), upload: given.get("upload"), sketch: given.get("sketch"), album: number("album"),
      box: box.length === 4 && box.every(Number.isFinite) ? box : null,
      camera: given.getAll("camera"), columns: Object.fromEntries(columns), group: given.get("group") !== "0",
    },
    photo: number("photo"), time: number("t"),
  };
}

/** The address of a query, of a photo that is open over it, and of a second of its video. */
export function toAddress(query, photo = null, time = null) {
  const made = new URLSearchParams();
  for (const name of [...TEXTS, "like", "upload", "sketch", "album"]) if (query[name]) made.set(name, query[name]);
  if (query.box) made.set("box", query.box.map((edge) => edge.toFixed(4)).join());
  for (const camera of query.camera) made.append("camera", camera);
  for (const [name, value] of Object.entries(query.columns)) made.append("column", `${name}:${value}`);
  if (!query.group) made.set("group", "0");
  if (photo) made.set("photo", photo);
  if (photo && time) made.set("t", time);
  const text = made.toString();
  return text ? `${location.pathname}?${text}` : location.pathname;
}

/** Keep a file; gives a name that no other has, not even one from before a reload. */
export function keep(file) {
  const name = `${Math.random().toString(36).slice(2)}-${file.name || "picture"}`;
  files.set(name, file);
  return name;
}
export const kept = (name) => files.get(name) ?? null;

/** Whether anything is searched for; else all photos are shown. */
export const asked = (query) => Boolean(query.q.trim() || query.text.trim() || query.not.trim() || query.like || query.upload || query.sketch);

/** Whether it is known how sure the hits are: those of a sentence and nothing else. */
export const judged = (query) => Boolean(query.q.trim()) && !query.text.trim() && !/["“”„«»]/.test(query.q) && !query.not && !query.like && !query.upload && !query.sketch;

/** The filters that are set, for a POST. */
function chosen(query) {
  const set = {};
  for (const name of ["where", "since", "until", "under", "orientation", "size", "kind", "album"]) if (query[name]) set[name] = query[name];
  if (query.camera.length) set.camera = query.camera;
  if (Object.keys(query.columns).length) set.columns = query.columns;
  return set;
}

/** Whether any filter is set. */
export const filtered = (query) => Object.keys(chosen(query)).length > 0;

/** The filters that are set, for a GET. */
export function filter(query) {
  const made = new URLSearchParams();
  const { camera = [], columns = {}, ...plain } = chosen(query);
  for (const [name, value] of Object.entries(plain)) made.set(name, value);
  for (const one of camera) made.append("camera", one);
  for (const [name, value] of Object.entries(columns)) made.append("column", `${name}:${value}`);
  return made;
}

/** A query as the server wants it. */
export function request(query, page, top) {
  const wanted = { top, page, group: query.group, ...chosen(query) };
  if (query.sure !== "" && judged(query)) wanted.min_confidence = Math.min(Math.max(+query.sure / 100, 0), 1);
  if (query.sketch) {
    if (wanted.columns) wanted.columns = JSON.stringify(wanted.columns);
    return { ...wanted, sketch: kept(query.sketch) };
  }
  const sentences = [];
  if (query.text.trim()) wanted.texts = [query.text];
  if (query.q.trim()) sentences.push({ text: query.q, weight: 1 });
  if (query.not.trim()) sentences.push({ text: query.not, weight: LESS });
  if (query.upload) {
    if (wanted.columns) wanted.columns = JSON.stringify(wanted.columns);
    return { ...wanted, picture: kept(query.upload), box: query.box, sentences: sentences.map((one) => JSON.stringify(one)) };
  }
  return { ...wanted, sentences, like: query.like ? { picture: query.like, box: query.box } : null };
}
