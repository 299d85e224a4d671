"""The page in a real browser: what a person sees, and does with keys, a mouse and files."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from fastapi import FastAPI

from wordsight.runs.captioner import load_captioner
from wordsight.search.index import Index
from wordsight.search.query import Like, Sentence
from wordsight.web.app import create_app
from wordsight.web.connections import server
from wordsight.web.serve import _bound

playwright = pytest.importorskip("playwright.sync_api", reason="the extra 'browser' (playwright) is not installed")
expect = playwright.expect
expect.set_options(timeout=30_000)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SENTENCE = "a red circle and a blue square"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(which, BROWSERS)), None)
    if path is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
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


@pytest.fixture(scope="module")
def address(indexed: Path, captioner: Path, region_captioner: Path) -> Iterator[str]:
    """A server with captioners."""
    describers = load_captioner(captioner, "cpu"), load_captioner(region_captioner, "cpu")
    with served(create_app(Index(indexed, "cpu"), *describers)) as where:
        yield where


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, just opened; whatever it complains of, or asks of another server, fails the test."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900}, base_url=address)
    opened.set_default_timeout(30_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if "Security Policy" in line.text else None)
    opened.on("request", lambda one: wrong.append(one.url) if not one.url.startswith((address, "blob:")) else None)
    opened.goto("/")
    expect(opened.locator("#start h1")).to_contain_text("30 pictures")
    yield opened
    opened.close()
    assert not wrong


def ask(page: Any, sentence: str = SENTENCE) -> Any:
    """Type a sentence; gives the results."""
    page.fill("#q", sentence)
    page.press("#q", "Enter")
    expect(page.locator("#status")).to_contain_text("best first")
    return page.locator("#grid > li")


def seen(page: Any, count: int) -> None:
    """Wait until the first pictures of the grid are there."""
    images = f"[...document.querySelectorAll('#grid img')].slice(0, {count}).every(image => image.naturalWidth)"
    for _ in range(600):
        if page.evaluate(images):
            return
        page.wait_for_timeout(50)
    pytest.fail("the pictures do not come")


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


def opacity(place: Any) -> float:
    return float(place.evaluate("element => getComputedStyle(element).opacity"))


def test_a_sentence_finds_pictures_and_the_back_button_comes_back(page: Any, indexed: Path) -> None:
    results = ask(page)
    expect(results).to_have_count(24)
    names = [hit.path.name for hit in Index(indexed, "cpu").search(SENTENCE, top=30).hits]
    assert results.locator(".name").all_text_contents() == names[:24]
    expect(results.first.locator(".figures")).to_contain_text("% sure")
    assert results.first.locator("img").get_attribute("alt").startswith(names[0])
    seen(page, 1)
    page.click("#more")
    expect(results).to_have_count(30)
    assert results.locator(".name").all_text_contents() == names
    expect(page.locator("#more")).to_be_hidden()
    ask(page, "a star")
    assert "q=a+star" in page.url
    page.go_back()
    expect(page.locator("#q")).to_have_value(SENTENCE)
    expect(results.first.locator(".name")).to_have_text(names[0])
    page.reload()
    expect(results.first.locator(".name")).to_have_text(names[0])


def test_a_word_lights_its_box_in_every_result(page: Any) -> None:
    results = ask(page)
    page.locator("#legend button", has_text="circle").hover()
    lit = page.locator("#grid g.lit-up")
    expect(lit).to_have_count(24)
    expect(page.locator("#grid .word.lit-up")).to_have_text(["circle"] * 24)
    page.wait_for_timeout(300)  # until the others are dim
    marks = results.first.evaluate("item => item.marks.map(mark => [mark.text, mark.weak])")
    place = next(number for number, (text, _) in enumerate(marks) if "circle" in text)
    assert opacity(results.first.locator(f'g[data-mark="{place}"]')) == 1
    assert all(
        opacity(results.first.locator(f'g[data-mark="{other}"]')) < 0.3 for other in range(len(marks)) if other != place
    )
    page.mouse.move(2, 2)
    expect(lit).to_have_count(0)
    page.locator("#legend button", has_text="blue").focus()
    expect(lit).to_have_count(24)


def test_a_box_lights_its_words(page: Any) -> None:
    first = ask(page).first
    mark = first.evaluate("item => item.marks.map((one, number) => ({...one, number})).find(one => !one.weak)")
    lines, box = first.locator("svg").bounding_box(), mark["box"]
    # just inside its corner, where another box is least likely
    inside = [lines["x"] + lines["width"] * (box[0] + 0.01), lines["y"] + lines["height"] * (box[1] + 0.01)]
    page.mouse.move(*inside)
    expect(first.locator(f'g[data-mark="{mark["number"]}"]')).to_have_class(re.compile("lit-up"))
    assert " ".join(first.locator(".word.lit-up").all_text_contents()) == mark["text"]


def test_a_region_is_searched_by_dragging(page: Any) -> None:
    ask(page).first.locator("button.open").click()
    view = page.locator("#view")
    expect(view).to_be_visible()
    expect(view.locator("ul.phrases button").first).to_be_visible()
    drag(page, view.locator(".pic"))
    expect(view.locator("g.chosen")).to_be_visible()
    view.get_by_role("button", name="Search by this region").click()
    expect(view).to_be_hidden()
    expect(page.locator("#given h2")).to_have_text("Pictures with what is in this region")
    found = re.search(r"box=([\d.]+)%2C([\d.]+)%2C([\d.]+)%2C([\d.]+)", page.url)
    assert found and [float(edge) for edge in found.groups()] == pytest.approx([0.2, 0.2, 0.8, 0.7], abs=0.02)
    expect(page.locator("#grid > li")).to_have_count(24)
    page.go_back()
    expect(page.locator("#q")).to_have_value(SENTENCE)
    expect(page.locator("#given")).to_be_hidden()


def test_a_picture_is_given_searched_by_and_described(page: Any, indexed: Path) -> None:
    path = sorted((indexed.parent / "pictures").iterdir())[3]
    page.set_input_files("#file", path)
    expect(page.locator("#given h2")).to_have_text("Pictures like this one")
    expect(page.locator("#grid > li").first.locator(".name")).to_have_text(path.name)
    page.get_by_role("button", name="Describe").click()
    expect(page.locator("#given ol.said li").first).to_contain_text("%")
    assert page.locator("#given g.said").count() == page.locator("#given ol.coloured li").count() > 0
    drag(page, page.locator("#given .pic"))
    page.keyboard.press("Enter")
    expect(page.locator("#given h2")).to_have_text("Pictures with what is in this region")
    expect(page.locator("#status")).to_contain_text("best first")
    page.reload()
    expect(page.locator("#notice")).to_contain_text("give it again")


def test_a_picture_is_dropped(page: Any, indexed: Path) -> None:
    path = sorted((indexed.parent / "pictures").iterdir())[5]
    content = handed(page, path)
    page.dispatch_event("body", "dragover", {"dataTransfer": content})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": content})
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("#grid > li").first.locator(".name")).to_have_text(path.name)


def test_a_picture_is_pasted(page: Any, indexed: Path) -> None:
    path = sorted((indexed.parent / "pictures").iterdir())[7]
    page.locator("#q").focus()
    page.evaluate(
        """data => document.activeElement.dispatchEvent(
        new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))""",
        handed(page, path),
    )
    expect(page.locator("#given h2")).to_have_text("Pictures like this one")
    expect(page.locator("#grid > li").first.locator(".name")).to_have_text(path.name)


def test_a_picture_and_a_sentence_are_asked_together(page: Any, indexed: Path) -> None:
    path = sorted((indexed.parent / "pictures").iterdir())[3]
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_contain_text("best first")
    ask(page, "a star")
    expect(page.locator("#given h2")).to_have_text("Pictures like this one, and “a star”")
    found = Index(indexed, "cpu").search([Sentence("a star"), Like(path)], top=24)
    names = page.locator("#grid .name")
    assert names.all_text_contents() == [hit.path.name for hit in found.hits]
    expect(page.locator("#grid > li").first.locator("g.box:not(.weak)").first).to_be_visible()
    page.get_by_role("button", name="Remove picture").click()
    expect(page.locator("#given")).to_be_hidden()
    alone = Index(indexed, "cpu").search("a star", top=24)
    expect(names.first).to_have_text(alone.hits[0].path.name)
    assert names.all_text_contents() == [hit.path.name for hit in alone.hits]


def test_how_sure_is_asked_only_of_a_sentence_alone(page: Any) -> None:
    page.click("#filters summary")
    ask(page)
    page.fill("#sure", "1")
    page.press("#sure", "Enter")
    expect(page.locator("#set")).to_have_text(" · 1")
    page.fill("#not", "square")
    page.press("#not", "Enter")
    expect(page.locator("#sure")).to_be_disabled()
    expect(page.locator("#set")).to_have_text(" · 1")
    expect(page.locator("#grid > li")).to_have_count(24)
    expect(page.locator("#notice")).to_be_hidden()


def test_a_score_is_explained_and_near_duplicates_are_shown(page: Any) -> None:
    def alike(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        first, *others = found["hits"]
        first["score"], first["hubness"] = -0.25, 0.75
        first["near_duplicates"] = [{"number": one["number"], "path": one["path"]} for one in others[:2]]
        route.fulfill(response=answer, json=found)

    page.route("**/api/v1/search", alike)
    first = ask(page).first
    expect(first.locator(".note")).to_have_text("+2 alike")
    first.locator("button.open").click()
    view = page.locator("#view")
    expect(view).to_contain_text("Score −0.25 = 0.50 for what is asked − 0.75 for fitting anything.")
    expect(view.locator(".alike img")).to_have_count(2)
    for number in range(2):
        expect(view.locator(".alike img").nth(number)).to_have_js_property("complete", True)
        assert view.locator(".alike img").nth(number).evaluate("image => image.naturalWidth") > 0


def test_a_finger_lights_words_and_drags_a_region(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#start h1")).to_contain_text("30 pictures")
    results = ask(page)
    page.locator("#legend button", has_text="circle").tap()
    expect(page.locator("#grid g.lit-up")).to_have_count(24)
    results.first.locator("button.open").click()
    frame = page.locator("#view .pic")
    expect(frame).to_be_visible()
    area, touch = frame.bounding_box(), context.new_cdp_session(page)
    for kind, places in (("Start", [(0.2, 0.2)]), ("Move", [(0.5, 0.5)]), ("Move", [(0.8, 0.7)]), ("End", [])):
        points = [{"x": area["x"] + x * area["width"], "y": area["y"] + y * area["height"]} for x, y in places]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    expect(page.locator("#view g.chosen")).to_be_visible()
    page.get_by_role("button", name="Search by this region").click()
    expect(page.locator("#given h2")).to_have_text("Pictures with what is in this region")
    found = re.search(r"box=([\d.]+)%2C([\d.]+)%2C([\d.]+)%2C([\d.]+)", page.url)
    assert found and [float(edge) for edge in found.groups()] == pytest.approx([0.2, 0.2, 0.8, 0.7], abs=0.02)
    context.close()


def test_a_file_that_is_no_picture_is_said(page: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("no picture")
    page.set_input_files("#file", tmp_path / "letter.jpg")
    expect(page.locator("#notice")).to_contain_text("letter.jpg: not a picture")


def test_an_empty_result_is_said(page: Any) -> None:
    page.click("#filters summary")
    page.fill("#where", "width > 100000")
    page.fill("#q", SENTENCE)
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_have_text("Nothing here matches, with these filters.")
    expect(page.locator("#grid > li")).to_have_count(0)
    expect(page.locator("#set")).to_contain_text("1")


def test_when_nothing_matches_well_that_is_said(page: Any) -> None:
    def unsure(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        for hit in found["hits"]:
            hit["confidence"] = 0.002
        found["poor_match"] = True
        route.fulfill(response=answer, json=found)

    page.route("**/api/v1/search", unsure)
    ask(page)
    expect(page.locator("#notice")).to_have_text(
        "Nothing here matches well: the best is < 1 % sure. These are the nearest."
    )


def test_who_is_faster_than_the_script_searches_too(page: Any) -> None:
    page.route("**/app.js", lambda route: None)  # it never comes
    page.goto("/", wait_until="commit")
    page.fill("#q", SENTENCE)
    page.unroute("**/app.js")
    page.press("#q", "Enter")
    expect(page.locator("#grid > li")).to_have_count(24)


def test_an_unknown_word_is_said(page: Any) -> None:
    ask(page, "a red zebra")
    expect(page.locator("#notice")).to_contain_text("does not know “zebra”")
    expect(page.locator("#grid .word.unknown")).to_have_text(["zebra"] * 24)
    expect(page.locator("#grid .word.unknown.on")).to_have_count(0)
    page.fill("#q", "zebra")
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_contain_text("knows none of these words")
    expect(page.locator("#grid > li")).to_have_count(0)


def test_an_error_of_the_server_and_its_end_are_said(page: Any) -> None:
    page.route("**/api/v1/search", lambda route: route.fulfill(status=500, body="<html>oops"))
    page.fill("#q", SENTENCE)
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_contain_text("The server answered with an error (500)")
    page.unroute("**/api/v1/search")
    page.route("**/api/v1/search", lambda route: route.abort())
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_contain_text("The server does not answer")
    page.unroute("**/api/v1/search")
    assert ask(page).count() == 24
    expect(page.locator("#notice")).to_be_hidden()


def test_keys_alone_suffice(page: Any) -> None:
    page.locator("body").press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(SENTENCE)
    page.keyboard.press("Enter")
    buttons = page.locator("#grid button.open")
    expect(buttons).to_have_count(24)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#grid button.open')"):
            break
    expect(buttons.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(buttons.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = page.evaluate("[...document.querySelectorAll('#grid button.open')].indexOf(document.activeElement)")
    assert below > 2
    page.keyboard.press("Enter")
    view = page.locator("#view")
    expect(view.locator(".rank")).to_have_text(str(below + 1))
    page.keyboard.press("ArrowLeft")
    expect(view.locator(".rank")).to_have_text(str(below))
    page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    expect(buttons.nth(below)).to_be_focused()


def test_a_narrow_screen_needs_no_scrolling_sideways(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    ask(page).first.locator("button.open").click()
    wide = "[document.documentElement.scrollWidth, document.querySelector('#view').scrollWidth]"
    assert max(page.evaluate(wide)) <= 360


def test_what_data_says_is_never_read_as_html(page: Any) -> None:
    def spoiled(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        for hit in found["hits"]:
            hit["name"] = hit["path"] = "<img src=x onerror=alert(1)>"
            hit["meta"] = {"<b>": "<script>alert(1)</script>"}
        route.fulfill(response=answer, json=found)

    page.route("**/api/v1/search", spoiled)
    ask(page).first.locator("button.open").click()
    expect(page.locator("#view h2")).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#view dl")).to_contain_text("<script>alert(1)</script>")


def test_the_docs_list_every_operation(page: Any) -> None:
    page.goto("/api/v1/docs")
    described = page.request.get("/api/v1/openapi.json").json()
    for path in described["paths"]:
        expect(page.locator("section h3 code", has_text=re.compile(f"^{re.escape(path)}$"))).to_have_count(1)


@pytest.mark.skipif("WORDSIGHT_APP_PICTURE" not in os.environ, reason="makes docs/app.png, only when asked to")
def test_a_picture_of_the_page_is_made(browser: Any) -> None:
    """WORDSIGHT_APP_PICTURE is the folder of a demo; what it has learned is shown."""
    app = create_app(Index(Path(os.environ["WORDSIGHT_APP_PICTURE"], "index"), "cpu"))
    with served(app) as where:
        page = browser.new_page(viewport={"width": 1200, "height": 760})
        page.goto(where)
        ask(page, "a yellow star and a red square")
        seen(page, 8)
        page.locator("#legend button", has_text="star").hover()
        page.wait_for_timeout(400)
        page.screenshot(path=Path(__file__).parents[1] / "docs" / "app.png")
        page.close()
