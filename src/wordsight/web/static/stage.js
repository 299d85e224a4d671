// The opened picture in its room: zoomed by wheel, double click, pinch and keys, moved by dragging, left by a swipe.

const MOST = 8; // times its size
const TWICE = 2.5; // of a double click
const SWIPE = 60; // pixels

/**
 * Let a picture be zoomed in its stage.
 *
 * ratio: its width / height. swiped: called with 1 or -1. drawing: whether a press of the pointer draws a box instead.
 * Returns `{zoom(factor), reset(), shape(ratio), scale(), free()}`.
 */
export function zoomable(stage, frame, { ratio, swiped, drawing }) {
  let scale = 1;
  let [x, y] = [0, 0]; // of the middle, from that of the stage
  const down = new Map(); // fingers, and where they are
  let start = null; // where a swipe began
  let spread = 0; // between two fingers

  function place() {
    const [wide, high] = [stage.clientWidth, stage.clientHeight];
    if (!wide || !high) return;
    const width = Math.min(wide, high * ratio) * scale;
    const height = width / ratio;
    const most = (size, room) => Math.max((size - room) / 2, 0);
    x = Math.min(Math.max(x, -most(width, wide)), most(width, wide));
    y = Math.min(Math.max(y, -most(height, high)), most(height, high));
    Object.assign(frame.style, {
      width: `${width}px`, height: `${height}px`, left: `${(wide - width) / 2 + x}px`, top: `${(high - height) / 2 + y}px`,
    });
    stage.classList.toggle("zoomed", scale > 1);
  }

  /** Zoom so that what is at a point stays there. */
  function zoom(factor, at = null) {
    const area = stage.getBoundingClientRect();
    const [u, v] = at ? [at.clientX - area.left - area.width / 2, at.clientY - area.top - area.height / 2] : [0, 0];
    const next = Math.min(Math.max(scale * factor, 1), MOST);
    x = u - ((u - x) * next) / scale;
    y = v - ((v - y) * next) / scale;
    scale = next;
    place();
  }

  const reset = () => { scale = 1; x = y = 0; place(); };
  const middle = () => {
    const [one, other] = [...down.values()];
    return { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
  };
  const apart = () => {
    const [one, other] = [...down.values()];
    return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  };

  const on = {
    wheel(event) {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event);
    },
    dblclick(event) {
      if (event.target.closest("button, a")) return;
      if (scale > 1) reset();
      else zoom(TWICE, event);
    },
    pointerdown(event) {
      if (event.target.closest("button, a") || event.button !== 0) return;
      down.set(event.pointerId, event);
      if (down.size === 2) { start = null; spread = apart(); return; }
      if (down.size === 1 && !drawing(event)) {
        start = event;
        if (frame.contains(event.target) || scale > 1) stage.setPointerCapture(event.pointerId);
      }
    },
    pointermove(event) {
      const before = down.get(event.pointerId);
      if (!before) return;
      down.set(event.pointerId, event);
      if (down.size === 2) {
        const now = apart();
        zoom(now / Math.max(spread, 1), middle());
        spread = now;
      } else if (start && scale > 1) {
        x += event.clientX - before.clientX;
        y += event.clientY - before.clientY;
        place();
      }
    },
    pointerup(event) {
      const began = start;
      down.delete(event.pointerId);
      start = null;
      if (!began || scale > 1 || down.size) return;
      const [right, under] = [event.clientX - began.clientX, event.clientY - began.clientY];
      if (event.pointerType === "touch" && Math.abs(right) > SWIPE && Math.abs(right) > 1.5 * Math.abs(under)) swiped(right < 0 ? 1 : -1);
    },
    pointercancel(event) { down.delete(event.pointerId); start = null; },
  };
  for (const [name, act] of Object.entries(on)) stage.addEventListener(name, act, { passive: false });
  const watch = new ResizeObserver(place);
  watch.observe(stage);
  place();
  return {
    zoom, reset, scale: () => scale,
    shape: (wanted) => { ratio = wanted; place(); },
    free: () => {
      watch.disconnect();
      for (const [name, act] of Object.entries(on)) stage.removeEventListener(name, act);
    },
  };
}
