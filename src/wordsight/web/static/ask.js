// Short questions in a window of their own: the focus stays in it, Escape leaves it.

import { $, make } from "./dom.js";

export const NAMED = ".*\\S.*"; // pattern of a name: not of spaces alone

/** A dialog with a form; gives what `read` makes of it, or null when it was left. */
export function ask(title, inside, { yes = "OK", danger = false, read = () => true }) {
  const name = `ask-${Math.random().toString(36).slice(2)}`;
  const form = make("form.ask", { method: "dialog" },
    make("h2", { id: name }, title), ...inside,
    make("div.buttons.end", {},
      make("button.quiet", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      make(`button.main${danger ? ".danger" : ""}`, { value: "yes" }, yes)));
  const dialog = make("dialog.small", { "aria-labelledby": name }, form);
  const before = document.activeElement;
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const answer = dialog.returnValue === "yes" ? read(form) : null;
      dialog.remove();
      before?.focus?.({ preventScroll: true });
      resolve(answer);
    });
    dialog.showModal();
    const field = form.querySelector("input, select");
    field?.focus();
    field?.select?.();
  });
}

/** Ask for a name. */
export function askName(title, { value = "", yes }) {
  const input = make("input", { name: "name", required: true, maxlength: 200, pattern: NAMED, value, "aria-label": "Name" });
  return ask(title, [input], { yes, read: () => input.value.trim() || null });
}

/** Ask whether to go on with what cannot be undone. */
export const confirmed = (title, text, yes) => ask(title, [make("p", {}, text)], { yes, danger: true });

const place = $("toast"); // it goes from window to window, and may be thrown out with the content of one
let hiding = null;

/** Say something for a few seconds, at the bottom. */
export function toast(text, wrong = false) {
  const open = [...document.querySelectorAll("dialog[open]")].at(-1);
  (open ?? document.body).append(place); // above a dialog
  place.textContent = text;
  place.className = wrong ? "wrong" : "";
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; document.body.append(place); }, 6000);
}
