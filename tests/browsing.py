"""A browser for the tests of the page: opened on a server, and what is looked for in it."""

import importlib.util
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wordsight.search.index import Index
from wordsight.web.connections import server
from wordsight.web.serve import _bound

playwright = pytest.importorskip("playwright.sync_api", reason="the extra 'browser' (playwright) is not installed")
expect = playwright.expect
expect.set_options(timeout=30_000)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SENTENCE = "a red circle and a blue square"


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of an app that is served meanwhile."""
    bound = _bound("127.0.0.1", 0)
    running = server(app)
    thread = threading.Thread(target=running.run, kwargs={"sockets": bound})
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{bound[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join()


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page in a window of its own."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, "base_url": address, **options})
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Security Policy" in line.text else None)
    page.on("request", lambda one: wrong.append(one.url) if not one.url.startswith((address, "blob:")) else None)
    page.goto(address)
    expect(page.locator("#status")).to_contain_text("photo")
    yield page
    page.unroute_all(behavior="ignoreErrors")  # an answer may still be on its way, or held back
    context.close()
    assert not wrong


def ask(page: Any, sentence: str = SENTENCE) -> Any:
    """Type a sentence; gives the tiles of the results."""
    page.fill("#q", sentence)
    page.press("#q", "Enter")
    expect(page.locator("#status")).to_contain_text("best first")
    return page.locator("#grid .tile")


def names(page: Any) -> list[str]:
    """The names of the results that are in the page, in their order."""
    return list(page.locator("#grid .tile .name").all_text_contents())


def found(index: Path, query: Any) -> list[str]:
    """The names that the index itself finds."""
    return [hit.path.name for hit in Index(index, "cpu").search(query, top=30, group=True).hits]


def seen(page: Any, count: int) -> None:
    """Wait until the first pictures of the grid are there."""
    images = f"[...document.querySelectorAll('#grid img')].slice(0, {count}).every(image => image.naturalWidth)"
    until(page, images, "the pictures do not come")


def until(page: Any, true: str, why: str) -> None:
    """Wait until an expression is true; the page's own policy forbids Playwright to do it."""
    for _ in range(600):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    pytest.fail(why)


def complaints(page: Any, part: str = "html", dark: bool = False) -> list[tuple[str, list[tuple[Any, str]]]]:
    """What axe-core, the checker of accessibility, finds in a part of the page; in the dark, of its colours alone."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python, which brings axe-core, is not installed")
    page.wait_for_timeout(350)  # what fades is there
    if not page.evaluate("'axe' in window"):
        page.evaluate(Path(found.origin).with_name("axe.min.js").read_text())
    every = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    colours = {"type": "rule", "values": ["color-contrast"]}  # nothing else is different there
    rules = {"runOnly": colours if dark else every, "resultTypes": ["violations"]}
    wrong = page.evaluate("([part, rules]) => axe.run(part, rules)", [part, rules])["violations"]
    return [(one["id"], [(node["target"], node["failureSummary"]) for node in one["nodes"][:2]]) for one in wrong]


def drag(page: Any, frame: Any) -> None:
    """A rectangle over the middle of a picture."""
    frame.scroll_into_view_if_needed()
    area = frame.bounding_box()
    page.mouse.move(area["x"] + 0.2 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.4 * area["height"], steps=3)
    page.mouse.move(area["x"] + 0.8 * area["width"], area["y"] + 0.7 * area["height"])
    page.mouse.up()


def handed(page: Any, path: Path) -> Any:
    """A file as it comes with a drop or a paste."""
    return page.evaluate_handle(
        """([name, bytes]) => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/jpeg"})); return data; }""",
        [path.name, list(path.read_bytes())],
    )


def altered(page: Any, change: Callable[[dict[str, Any]], None], route: str = "**/api/v1/search") -> None:
    """Answers of the server are changed on their way."""

    def fulfil(route: Any) -> None:
        answer = route.fetch()
        said = answer.json()
        change(said)
        route.fulfill(response=answer, json=said)

    page.route(route, fulfil)


def many(page: Any, count: int = 100_000) -> None:
    """The server has very many photos, 200 a day."""
    days = [[f"{2024 - number // 336}-{12 - number // 28 % 12:02}-{28 - number % 28:02}", 200] for number in range(500)]
    ratios = [(150, 133, 75, 100, 178)[number % 5] for number in range(count)]
    said = {"total": count, "numbers": list(range(1, count + 1)), "ratios": ratios, "days": days, "videos": {}}
    content = json.dumps(said)
    page.route("**/api/v1/photos?*", lambda route: route.fulfill(body=content, content_type="application/json"))
    shade = page.request.get("/api/v1/pictures/1/thumb").body()
    page.route("**/thumb", lambda route: route.fulfill(body=shade, content_type="image/jpeg"))
    page.reload()
    expect(page.locator("#status")).to_have_text("100,000 photos")


def opacity(place: Any) -> float:
    return float(place.evaluate("element => getComputedStyle(element).opacity"))


def held(page: Any, address: str) -> list[Any]:
    """The requests to an address, which wait until they are let go."""
    waiting: list[Any] = []
    page.route(address, lambda route: waiting.append(route))
    return waiting


def first(page: Any, waiting: list[Any]) -> Any:
    """The first of them, once it is there."""
    for _ in range(1500):
        if waiting:
            return waiting[0]
        page.wait_for_timeout(20)
    pytest.fail("nothing was asked")
