// What is asked, kept in the address: so that the back button works, and a search can be kept as a bookmark.

import { $ } from "./dom.js";

const files = new Map(); // pictures that were given in this tab; an address can name them, but not hold them
const LESS = -0.5;
const NAMES = ["not", "where", "under", "sure"];

/** The query in the address. */
export function fromAddress() {
  const given = new URLSearchParams(location.search);
  const box = (given.get("box") ?? "").split(",").map(Number);
  return {
    q: given.get("q") ?? "",
    like: Number(given.get("like")) || null,
    upload: given.get("upload"),
    box: box.length === 4 && box.every(Number.isFinite) ? box : null,
    ...Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""])),
    top: Number(given.get("top")) || 24,
    group: given.get("group") === "1",
  };
}

/** Its address. */
export function toAddress(query) {
  const made = new URLSearchParams();
  for (const name of ["q", "like", "upload", ...NAMES]) if (query[name]) made.set(name, query[name]);
  if (query.box) made.set("box", query.box.map((edge) => edge.toFixed(4)).join());
  if (query.top !== 24) made.set("top", query.top);
  if (query.group) made.set("group", "1");
  const text = made.toString();
  return text ? `/?${text}` : "/";
}

export function keep(file) {
  const name = `${files.size + 1}-${file.name || "picture"}`;
  files.set(name, file);
  return name;
}
export const kept = (name) => files.get(name) ?? null;

/** Whether anything is asked. */
export const asked = (query) => Boolean(query.q.trim() || query.not.trim() || query.like || query.upload);

/** Whether it is known how sure the hits are: those of a sentence and nothing else. */
const judged = (query) => Boolean(query.q.trim()) && !query.not && !query.like && !query.upload;

/** Put a query into the form. */
export function show(query) {
  $("q").value = query.q;
  for (const name of NAMES) $(name).value = query[name];
  if (![...$("top").options].some((option) => +option.value === query.top)) $("top").add(new Option(query.top));
  $("top").value = query.top;
  $("group").checked = query.group;
  $("sure").disabled = asked(query) && !judged(query);
  const set = NAMES.filter((name) => query[name] && (name !== "sure" || judged(query))).length + (query.group ? 1 : 0);
  $("set").textContent = set ? ` · ${set}` : "";
}

/** The filters in the form. */
export function filters() {
  const given = Object.fromEntries(NAMES.map((name) => [name, $(name).value.trim()]));
  return { ...given, top: +$("top").value, group: $("group").checked };
}

/** A query as the server wants it. */
export function request(query, page) {
  const wanted = { top: query.top, page, where: query.where, under: query.under, group: query.group };
  if (query.sure !== "" && judged(query)) wanted.min_confidence = Math.min(Math.max(+query.sure / 100, 0), 1);
  const sentences = [];
  if (query.q.trim()) sentences.push({ text: query.q, weight: 1 });
  if (query.not.trim()) sentences.push({ text: query.not, weight: LESS });
  if (query.upload) {
    return { ...wanted, picture: kept(query.upload), box: query.box, sentences: sentences.map((one) => JSON.stringify(one)) };
  }
  return { ...wanted, sentences, like: query.like ? { picture: query.like, box: query.box } : null };
}
