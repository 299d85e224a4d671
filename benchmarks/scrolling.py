"""Smoothness of scrolling the page over many photographs, in Chromium.

    python benchmarks/scrolling.py [--pictures 100000] [--seconds 4]

The index is that of `benchmarks/app.py`, with forty thumbnails of 512 pixels, repeated. The page scrolls by 12 pixels
per frame (a slow hand), 40 (a wheel) and 150 (a fling). Prints for each speed the frames per second, the median, 95th
percentile and slowest frame in milliseconds, and the work of the page's main thread per frame in milliseconds; and the
page's memory before and after.

Needs Playwright and Chromium. Without a graphics card Chromium paints on the processor, which is then most of a frame.
"""

import argparse
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from app import drawn
from PIL import Image
from served import started

from wordsight.search import thumbnails

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SPEEDS = (12, 40, 150)
LOOKS = 40
SCROLL = """async ([pixels, seconds]) => {
    const frames = [], end = performance.now() + 1000 * seconds;
    let last = performance.now(), y = scrollY, way = 1;
    await new Promise((done) => {
        function frame(now) {
            frames.push(now - last);
            last = now;
            y += pixels * way;
            if (y < 0 || y > document.documentElement.scrollHeight - innerHeight) way = -way;
            scrollTo(0, y);
            if (now < end) requestAnimationFrame(frame);
            else done();
        }
        requestAnimationFrame(frame);
    });
    return frames.slice(1);
}"""
LOADED = """() => {
    const seen = [...document.querySelectorAll('.tile img')].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.bottom > 0 && box.top < innerHeight;
    });
    return seen.length > 0 && seen.every((one) => one.complete && one.naturalWidth);
}"""


def give_thumbnails(index: Path, pictures: int) -> None:
    """Write a thumbnail for each picture: one of forty, under every picture's name."""
    rng = np.random.default_rng(0)
    looks = []
    for look in range(LOOKS):
        size = (512, 384) if look % 2 else (384, 512)
        image = Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        noise = rng.integers(-12, 12, (size[1], size[0], 3))
        pixels = np.clip(np.asarray(image, np.int16) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(kept := io.BytesIO(), "JPEG", quality=82)
        path = thumbnails.path_of(index, look.to_bytes(16, "big"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kept.getvalue())
        looks.append(path)
    for number in range(LOOKS, pictures):
        path = thumbnails.path_of(index, number.to_bytes(16, "big"))
        path.parent.mkdir(exist_ok=True)
        os.link(looks[number % LOOKS], path)


def figures(pictures: int, seconds: float) -> dict[str, Any]:
    from browsing import BROWSERS, playwright

    found: dict[str, Any] = {"pictures": pictures}
    with tempfile.TemporaryDirectory() as folder:
        index = drawn(Path(folder), pictures, 1)
        give_thumbnails(index.folder, pictures)
        with started(index.folder) as server, playwright.sync_playwright() as engine:
            browser = engine.chromium.launch(executable_path=_browser(BROWSERS), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            tools = page.context.new_cdp_session(page)
            tools.send("Performance.enable")
            page.goto(f"http://127.0.0.1:{server.port}/")
            page.wait_for_function(LOADED)
            found["heap_mb_before"] = _heap(tools)
            for pixels in SPEEDS:
                page.wait_for_timeout(1000)
                before = _metrics(tools)
                frames = np.array(page.evaluate(SCROLL, [pixels, seconds]))
                busy = 1000 * (_metrics(tools)["TaskDuration"] - before["TaskDuration"]) / len(frames)
                found[f"{pixels} pixels a frame"] = {
                    "frames_per_second": round(1000 / frames.mean(), 1),
                    "median_ms": round(float(np.median(frames)), 1),
                    "p95_ms": round(float(np.quantile(frames, 0.95)), 1),
                    "slowest_ms": round(float(frames.max()), 1),
                    "main_thread_ms": round(busy, 1),
                }
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(1500)
            found["heap_mb_after"] = _heap(tools)
            browser.close()
    return found


def _browser(names: tuple[str, ...]) -> str:
    from shutil import which

    return next(filter(None, map(which, names)))


def _metrics(tools: Any) -> dict[str, float]:
    return {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}


def _heap(tools: Any) -> float:
    tools.send("HeapProfiler.collectGarbage")
    return round(_metrics(tools)["JSHeapUsedSize"] / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=4)
    given = parser.parse_args()
    print(json.dumps(figures(given.pictures, given.seconds), indent=1))


if __name__ == "__main__":
    main()
