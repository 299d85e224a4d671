// Pictures that are picked, pasted or dropped, to search by them.

import { $ } from "./dom.js";

/** Take pictures that are given in any way; `take` is called with a file that is not too large. */
export function takesPictures({ server, take, notice }) {
  const given = (file) => {
    if (!file) return;
    if (file.size <= server.max_bytes) return take(file);
    notice(`${file.name}: larger than ${Math.floor(server.max_bytes / 2 ** 20)} MB, which is the most that is taken.`, true);
  };
  $("pick").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { given($("file").files[0]); $("file").value = ""; });
  addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    given(event.clipboardData.files[0]);
  });
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => { if (carries(event)) { event.preventDefault(); $("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
  addEventListener("drop", (event) => {
    $("drop").hidden = true;
    if (!carries(event)) return;
    event.preventDefault();
    given(event.dataTransfer.files[0]);
  });
}
