// Pictures that are picked, pasted or dropped, to search by them.

import { toast } from "./ask.js";
import { $ } from "./dom.js";

/** Take pictures that are given in any way; `take` is called with a file that is not too large. */
export function takesPictures({ server, take, notice }) {
  const given = ([file, ...others]) => {
    if (!file) return;
    if (file.size > server.max_bytes) return notice(`${file.name}: larger than ${Math.floor(server.max_bytes / 2 ** 20)} MB, which is the most that is taken.`, true);
    if (others.length) toast(`Only ${file.name} is searched by: one picture at a time.`); // a notice goes when a search begins
    take(file);
  };
  $("pick").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { given($("file").files); $("file").value = ""; });
  const asking = () => document.querySelector("dialog.small[open]");
  addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    const text = types.includes("text/plain") && event.target.closest?.("input, textarea"); // office programs add a picture of it
    if (!files.length || text || asking()) return;
    event.preventDefault();
    given(files);
  });
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => { if (carries(event)) { event.preventDefault(); $("drop").hidden = Boolean(asking()); } });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
  addEventListener("drop", (event) => {
    $("drop").hidden = true;
    if (!carries(event)) return;
    event.preventDefault();
    if (!asking()) given(event.dataTransfer.files);
  });
}
