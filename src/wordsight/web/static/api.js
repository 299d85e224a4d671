// The server's JSON. Whatever goes wrong, the error thrown says it in one sentence.

// Addresses are relative to this file, so that the page works behind any path prefix.
const MOST = 10_000; // numbers that are sent at once
const API = new URL("api/v1", new URL(".", import.meta.url)).href;
export const picture = (number) => `${API}/pictures/${number}`;
export const thumb = (number) => `${API}/pictures/${number}/thumb`;
export const video = (number) => `${API}/pictures/${number}/video`;
export const download = `${API}/download`;
export const albumFile = (id, format) => `${API}/albums/${id}/export?format=${format}`;

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(API + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is `wordsight serve` still running?");
  }
  if (answer.status === 204) return {};
  let said = null;
  try {
    said = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (!answer.ok || said === null) {
    throw new Error(said?.error ?? `The server answered with an error (${answer.status}); its terminal may say more.`);
  }
  return said;
}

const json = (method, body, signal) => ({
  method, signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

export const info = () => ask("/info");
export const photos = (filter, signal) => ask(`/photos?${filter}`, { signal });
export const details = (number, signal) => ask(`/pictures/${number}/info`, { signal });
/** The paths of any number of photos, in their order. */
export async function paths(numbers) {
  const found = [];
  for (let from = 0; from < numbers.length; from += MOST) found.push(...(await ask("/paths", json("POST", { numbers: numbers.slice(from, from + MOST) }))).paths);
  return found;
}
export const facets = () => ask("/facets");
export const suggest = (text, signal) => ask(`/suggest?${new URLSearchParams({ q: text })}`, { signal });
export const reveal = (number) => ask("/reveal", json("POST", { number }));

export const albums = () => ask("/albums");
export const changeAlbum = (id, change) => ask(`/albums/${id}`, json("PATCH", change));

/** Make an album of any number of photos. */
export async function makeAlbum(name, numbers) {
  const made = await ask("/albums", json("POST", { name, numbers: numbers.slice(0, MOST) }));
  return numbers.length > MOST ? fillAlbum(made.id, { add: numbers.slice(MOST) }) : made;
}

/** Add or remove any number of photos: what is sent at once is limited. */
export async function fillAlbum(id, change) {
  const [[way, numbers]] = Object.entries(change);
  let album = null;
  for (let from = 0; from < numbers.length; from += MOST) album = await changeAlbum(id, { [way]: numbers.slice(from, from + MOST) });
  return album;
}
export const deleteAlbum = (id) => ask(`/albums/${id}`, { method: "DELETE" });

export const indexing = () => ask("/index");
export const startIndexing = (folder) => ask("/index", json("POST", { folder }));
export const stopIndexing = () => ask("/index/stop", { method: "POST" });

export const search = (body, signal) => ask("/search", json("POST", body, signal));
export const searchUpload = (fields, signal) => ask("/search/upload", { method: "POST", signal, body: form(fields) });
export const searchSketch = (fields, signal) => ask("/search/sketch", { method: "POST", signal, body: form(fields) });
export const situation = (fields, signal) => ask("/situation", { method: "POST", signal, body: form(fields) });
export const caption = (fields, signal) => ask("/caption", { method: "POST", signal, body: form(fields) });

function form(fields) {
  const made = new FormData();
  for (const [key, value] of Object.entries(fields)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) made.append(key, one);
  }
  return made;
}
