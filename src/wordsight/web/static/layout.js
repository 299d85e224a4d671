// Where pictures go: rows that are filled from edge to edge, each as high as its pictures make it.

/** The least and the greatest width of a tile, as a multiple of its height; what is beyond is cut off. */
export const NARROW = 0.45;
export const BROAD = 3.2;

/**
 * Rows of about one height that are exactly as wide as the page.
 *
 * ratios: width / height of each picture.
 * starts: ascending indices of pictures that have a heading above them.
 * Returns `{rows, height}`; a row is `{top, height, from, to, head}`, its tiles `from` up to `to`, with room of `head`
 * pixels above them, in pixels from the top of the grid.
 */
export function justify(ratios, { width, aim, gap, head = 0, starts = [] }) {
  const rows = [];
  let top = 0;
  let next = 0; // of the headings
  const close = (from, to, height) => {
    let room = 0;
    while (next < starts.length && starts[next] < to) { room = head; next += 1; }
    rows.push({ top: top + room, height: Math.round(height), from, to, head: room });
    top += room + Math.round(height) + gap;
  };
  let from = 0;
  let sum = 0;
  for (let index = 0; index < ratios.length; index += 1) {
    const ratio = within(ratios[index]);
    const count = index - from;
    const high = (width - gap * count) / (sum + ratio); // with this one
    if (high > aim) { sum += ratio; continue; }
    const higher = count ? (width - gap * (count - 1)) / sum : Infinity; // without it
    if (higher / aim < aim / high) {
      close(from, index, higher);
      from = index;
      sum = ratio;
      if (width / ratio <= aim) { close(from, index + 1, width / ratio); from = index + 1; sum = 0; }
    } else {
      close(from, index + 1, high);
      from = index + 1;
      sum = 0;
    }
  }
  if (from < ratios.length) {
    const full = (width - gap * (ratios.length - from - 1)) / sum;
    close(from, ratios.length, full < 1.35 * aim ? full : aim); // the last row need not be full
  }
  return { rows, height: Math.max(top - gap, 0) };
}

/** The left edges of a row's tiles and the right edge of the last, in whole pixels. */
export function edges(row, ratios, { width, gap }) {
  let sum = 0;
  for (let index = row.from; index < row.to; index += 1) sum += within(ratios[index]);
  const gaps = gap * (row.to - row.from - 1);
  const scale = Math.min((width - gaps) / sum, row.height * 1.02);
  const lefts = [];
  let left = 0;
  for (let index = row.from; index < row.to; index += 1) {
    lefts.push(Math.round(left));
    left += within(ratios[index]) * scale + gap;
  }
  return [...lefts, Math.round(left)];
}

/** The number of the last row that begins above a height. */
export function rowAt(rows, y) {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows[middle].top - rows[middle].head <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The number of the row that a picture is in. */
export function rowOf(rows, index) {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows[middle].from <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

export const within = (ratio) => Math.min(Math.max(ratio || 1, NARROW), BROAD);
