// The server's JSON. Whatever goes wrong, the error thrown says it in one sentence.

const API = "/api/v1";
export const picture = (number) => `${API}/pictures/${number}`;
export const thumb = (number) => `${API}/pictures/${number}/thumb`;

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(API + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is `wordsight serve` still running?");
  }
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

export const info = () => ask("/info");

export function search(body, signal) {
  return ask("/search", {
    method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
}

export const searchUpload = (fields, signal) => ask("/search/upload", { method: "POST", signal, body: form(fields) });
export const caption = (fields, signal) => ask("/caption", { method: "POST", signal, body: form(fields) });

function form(fields) {
  const made = new FormData();
  for (const [key, value] of Object.entries(fields)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) made.append(key, one);
  }
  return made;
}
