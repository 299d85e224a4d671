// The picture that is searched by, above the results.

import { picture, thumb } from "./api.js";
import { boxed } from "./boxes.js";
import { $, make } from "./dom.js";
import { kept } from "./query.js";
import { tools } from "./region.js";
import { done } from "./situation.js";

let shown = ""; // what was shown last: what is said of it stays

/** Show it, or nothing; `ask` is called with a change of the query. */
export function showGiven(query, { server, ask }) {
  const file = query.upload ? kept(query.upload) : null;
  const place = $("given");
  const wanted = JSON.stringify([query.like, query.upload, query.box, query.q]);
  if (wanted === shown && place.childElementCount) return;
  shown = wanted;
  for (const old of place.querySelectorAll("img")) if (old.src.startsWith("blob:")) URL.revokeObjectURL(old.src);
  place.hidden = !query.like && !file;
  $("q").placeholder = place.hidden ? "What is in the photo?" : "and what else?";
  if (place.hidden) return place.replaceChildren();
  const frame = boxed(file ? URL.createObjectURL(file) : picture(query.like), file ? file.name || "your picture" : "the picture that is searched by", [], {
    fallback: file ? "" : thumb(query.like),
  });
  const subject = file ? { picture: file } : { number: query.like };
  const kit = tools(frame, {
    subject, can: server, chosen: query.box, searched: true,
    searchBy: (box) => ask({ box }), draws: (event) => event.pointerType === "mouse",
  });
  const what = query.box ? "Photos with what is in this box" : "Photos like this one";
  const title = query.q.trim() ? `${what}, and “${query.q.trim()}”` : what;
  const remove = make("button.quiet", { type: "button", onclick: () => ask({ like: null, upload: null, box: null }) }, "Remove picture");
  kit.element.querySelector(".buttons").append(remove);
  place.replaceChildren(frame, make("div", {}, make("h2", {}, title), make("p.help", {}, "The grey boxes in the results are what is most alike."), kit.element, server.situations && done(frame, subject, kit.choose)));
}
