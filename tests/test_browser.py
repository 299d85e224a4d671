"""The page in a real browser: what a person sees, and does with keys, a mouse and files."""

import importlib.util
import itertools
import json
import os
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from PIL import Image

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


@pytest.fixture(scope="module")
def library(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of thirty pictures that may be changed, with a folder of two more beside it."""
    home = tmp_path_factory.mktemp("library")
    shutil.copytree(indexed.parent, home, dirs_exist_ok=True)
    (home / "more").mkdir()
    for shade in (60, 200):
        Image.new("RGB", (160, 90), (shade, 40, 90)).save(home / "more" / f"shade{shade}.jpg")
    (home / "more" / "letter.jpg").write_text("no picture")
    return home / "index"


@pytest.fixture(scope="module")
def address(library: Path, captioner: Path, region_captioner: Path) -> Iterator[str]:
    """A server with captioners."""
    describers = load_captioner(captioner, "cpu"), load_captioner(region_captioner, "cpu")
    with served(create_app(Index(library, "cpu"), *describers)) as where:
        yield where


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, just opened; whatever it complains of, or asks of another server, fails the test."""
    with opened(browser, address) as one:
        yield one


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
    said = {"total": count, "numbers": list(range(1, count + 1)), "ratios": ratios, "days": days}
    content = json.dumps(said)
    page.route("**/api/v1/photos?*", lambda route: route.fulfill(body=content, content_type="application/json"))
    shade = page.request.get("/api/v1/pictures/1/thumb").body()
    page.route("**/thumb", lambda route: route.fulfill(body=shade, content_type="image/jpeg"))
    page.reload()
    expect(page.locator("#status")).to_have_text("100,000 photos")


def opacity(place: Any) -> float:
    return float(place.evaluate("element => getComputedStyle(element).opacity"))


def test_the_page_opens_on_the_photos_in_rows_from_edge_to_edge(page: Any) -> None:
    tiles = page.locator("#grid .tile")
    expect(tiles).to_have_count(30)
    expect(page.locator("#grid h2.day").first).to_contain_text(re.compile(r"\d{4}|No date"))
    seen(page, 30)
    wide = page.locator("#grid").bounding_box()["width"]
    rows = page.evaluate(
        """[...document.querySelectorAll("#grid .row")].map(row => [...row.querySelectorAll(".tile")].map(tile =>
        [tile.offsetLeft, tile.offsetWidth, tile.offsetHeight]))"""
    )
    assert len(rows) > 2
    for row in rows[:-1]:
        assert row[0][0] == 0 and sum(row[-1][:2]) == pytest.approx(wide, abs=1)
        gaps = [left - (before[0] + before[1]) for before, (left, *_) in itertools.pairwise(row)]
        assert set(gaps) <= {4} and len({high for *_, high in row}) == 1
    page.set_viewport_size({"width": 700, "height": 900})
    until(page, "document.querySelector('#grid .row').lastChild.offsetLeft < 690", "it is not laid out anew")


def test_of_very_many_photos_only_those_near_the_screen_are_in_the_page(page: Any) -> None:
    many(page)
    tiles = page.locator("#grid .tile")
    expect(tiles.first).to_be_visible()
    nodes = []
    for part in (0.25, 0.5, 0.999):
        page.evaluate("part => scrollTo(0, part * document.documentElement.scrollHeight)", part)
        in_view = """[...document.querySelectorAll("#grid .tile img[src]")].some(one => {
            const area = one.getBoundingClientRect(); return area.bottom > 100 && area.top < innerHeight; })"""
        until(page, in_view, "nothing is shown there")
        nodes.append(page.evaluate("document.querySelectorAll('#grid *').length"))
    assert max(nodes) < 1500
    assert tiles.count() < 150


def test_the_timeline_leads_to_a_month(page: Any) -> None:
    many(page)
    timeline = page.get_by_role("slider", name="Timeline")
    expect(timeline).to_have_attribute("aria-valuetext", "December 2024")
    assert page.locator("#scrubber .year").all_text_contents()[0] == "2024"
    timeline.press("ArrowDown")
    expect(timeline).to_have_attribute("aria-valuetext", "November 2024")
    timeline.press("End")
    expect(timeline).to_have_attribute("aria-valuetext", re.compile("2023"))
    area = timeline.bounding_box()
    page.mouse.move(area["x"] + 20, area["y"] + 5)
    page.mouse.down()
    page.mouse.move(area["x"] + 20, area["y"] + area["height"] / 2, steps=4)
    expect(page.locator("#scrubber .tip")).to_be_visible()
    page.mouse.up()
    share = page.evaluate("scrollY / (document.documentElement.scrollHeight - innerHeight)")
    assert share == pytest.approx(0.5, abs=0.03)


def test_a_sentence_finds_photos_and_back_comes_back_to_where_it_was(page: Any, library: Path) -> None:
    ask(page)
    wanted = found(library, SENTENCE)
    assert names(page) == wanted[: len(names(page))]
    first = page.locator("#grid .tile").first
    expect(first.locator(".sure")).to_have_text(re.compile("^(likely|possible|unlikely)$"))
    assert first.locator("img").get_attribute("alt").startswith(wanted[0])
    assert not re.search(r"\d[.,]\d|%", first.inner_text())
    expect(page.locator("#legend")).to_have_text("a red circle and a blue square".replace(" ", ""))
    page.set_viewport_size({"width": 500, "height": 400})
    page.evaluate("scrollTo(0, 300)")
    page.wait_for_timeout(400)
    ask(page, "a star")
    assert "q=a+star" in page.url and page.evaluate("scrollY") == 0
    page.go_back()
    expect(page.locator("#q")).to_have_value(SENTENCE)
    until(page, "scrollY === 300", "it is not scrolled to where it was")
    assert page.locator(f'#grid .tile .name:text-is("{wanted[4]}")').count() == 1
    page.reload()
    expect(page.locator("#q")).to_have_value(SENTENCE)
    until(page, "scrollY === 300", "it is not scrolled to where it was")


def test_more_results_come_while_scrolling(page: Any) -> None:
    asked = []

    def paged(route: Any) -> None:
        wanted = route.request.post_data_json
        answer = route.fetch(post_data={**wanted, "top": 9})
        asked.append(wanted["page"])
        route.fulfill(response=answer, json=answer.json())

    page.set_viewport_size({"width": 500, "height": 300})
    page.route("**/api/v1/search", paged)
    ask(page)
    assert 4 not in asked
    for _ in range(20):
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(60)
    until(page, "scrollY + innerHeight >= document.documentElement.scrollHeight - 2", "there is no end")
    assert asked == [1, 2, 3, 4]


def test_boxes_are_shown_where_a_tile_is_pointed_at_or_by_the_switch(page: Any) -> None:
    tiles = ask(page)
    lines = tiles.nth(1).locator("svg").first
    page.mouse.move(2, 890)
    expect(lines).to_have_css("opacity", "0")
    tiles.nth(1).hover()
    expect(lines).to_have_css("opacity", "1")
    page.mouse.move(2, 890)
    expect(lines).to_have_css("opacity", "0")
    page.get_by_role("button", name="Show boxes").click()
    expect(lines).to_have_css("opacity", "1")
    page.reload()
    expect(page.get_by_role("button", name="Show boxes")).to_have_attribute("aria-pressed", "true")
    expect(lines).to_have_css("opacity", "1")


def test_the_legend_covers_no_picture(page: Any) -> None:
    tiles = ask(page)
    legend = page.locator("#results").bounding_box()
    assert legend["y"] + legend["height"] <= tiles.first.bounding_box()["y"]


def test_a_word_lights_its_box_in_every_result(page: Any) -> None:
    results = ask(page)
    count = results.count()
    page.locator("#legend button", has_text="circle").hover()
    lit = page.locator("#grid g.lit-up")
    expect(lit).to_have_count(count)
    page.wait_for_timeout(300)  # until the others are gone
    first = results.first
    marks = first.evaluate("item => item.marks.map(mark => [mark.text, mark.weak])")
    place = next(number for number, (text, _) in enumerate(marks) if "circle" in text)
    assert opacity(first.locator(f'g[data-mark="{place}"]')) == 1
    others = [other for other in range(len(marks)) if other != place]
    assert all(opacity(first.locator(f'g[data-mark="{other}"]')) < 0.3 for other in others)
    page.mouse.move(2, 890)
    expect(lit).to_have_count(0)
    page.locator("#legend button", has_text="blue").focus()
    expect(lit).to_have_count(count)


def test_a_box_lights_its_words(page: Any) -> None:
    first = ask(page).first
    mark = first.evaluate("item => item.marks.map((one, number) => ({...one, number})).find(one => !one.weak)")
    lines, box = first.locator("svg").first.bounding_box(), mark["box"]
    # just inside its corner, where another box is least likely
    inside = [lines["x"] + lines["width"] * (box[0] + 0.01), lines["y"] + lines["height"] * (box[1] + 0.01)]
    page.mouse.move(*inside)
    expect(first.locator(f'g[data-mark="{mark["number"]}"]')).to_have_class(re.compile("lit-up"))
    assert " ".join(page.locator("#legend .lit-up").all_text_contents()) == mark["text"]


def test_an_opened_photo_has_an_address_and_back_closes_it(page: Any) -> None:
    page.set_viewport_size({"width": 700, "height": 500})
    ask(page)
    page.evaluate("scrollTo(0, 240)")
    page.wait_for_timeout(300)
    tile = page.locator("#grid .tile").nth(3)
    number = tile.get_attribute("data-number")
    tile.locator("a.open").click()
    scrolled = page.evaluate("scrollY")
    view = page.locator("#view")
    expect(view).to_be_visible()
    expect(view.locator("h2")).to_have_text(tile.locator(".name").text_content())
    assert f"photo={number}" in page.url and "q=a+red" in page.url
    shared = page.url
    page.go_back()
    expect(view).to_be_hidden()
    expect(page.locator("#q")).to_have_value(SENTENCE)
    assert page.evaluate("scrollY") == scrolled
    page.go_forward()
    expect(view).to_be_visible()
    view.get_by_role("button", name="Close").click()
    expect(view).to_be_hidden()
    assert "photo=" not in page.url
    page.goto(shared)
    expect(view).to_be_visible()
    expect(view.locator("ul.phrases button").first).to_be_visible()
    view.press("Escape")
    expect(view).to_be_hidden()
    assert "photo=" not in page.url and "q=a+red" in page.url


def test_an_opened_photo_tells_its_facts_and_leads_to_the_next(page: Any, library: Path) -> None:
    page.locator("#grid a.open").first.click()
    view = page.locator("#view")
    numbers = [
        one["data-number"]
        for one in page.evaluate(
            """[...document.querySelectorAll("#grid .tile")].map(tile => ({"data-number": tile.dataset.number}))"""
        )
    ]
    facts = view.locator("dl")
    expect(facts).to_contain_text(re.compile(r"Date.*Size\d+ × \d+ · [\d.]+ kBFilepictures/"))
    expect(facts).to_contain_text("of the file; the photo has none")
    expect(view.locator(".rank")).to_have_text("1 of 30")
    expect(view.locator(".before")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    expect(view.locator(".rank")).to_have_text("2 of 30")
    assert f"photo={numbers[1]}" in page.url
    view.get_by_role("button", name="Next").click()
    expect(view.locator(".rank")).to_have_text("3 of 30")
    page.go_back()
    expect(view).to_be_hidden()
    expect(page.locator(f'.tile[data-number="{numbers[2]}"] a.open')).to_be_focused()
    page.goto("/?photo=999999")
    expect(view).to_contain_text("no picture")


def test_a_photo_is_zoomed(page: Any) -> None:
    page.locator("#grid a.open").first.click()
    frame = page.locator("#view .pic")
    seen(page, 1)
    page.wait_for_timeout(200)
    small = frame.bounding_box()
    frame.dblclick(position={"x": small["width"] / 2, "y": small["height"] / 2})
    assert frame.bounding_box()["width"] == pytest.approx(2.5 * small["width"], rel=0.01)
    left = frame.bounding_box()["x"]
    page.mouse.down()
    page.mouse.move(300, 400, steps=3)
    page.mouse.up()
    assert frame.bounding_box()["x"] != left  # moved, not marked
    expect(page.locator("#view g.chosen")).to_have_count(0)
    page.keyboard.press("0")
    assert frame.bounding_box()["width"] == pytest.approx(small["width"], abs=1)
    frame.hover()
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    assert frame.bounding_box()["width"] > 1.3 * small["width"]


def test_the_file_of_a_photo_is_downloaded_and_its_path_copied(page: Any, library: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#grid a.open").first.click()
    view = page.locator("#view")
    with page.expect_download() as given:
        view.get_by_role("link", name="Download").click()
    name = view.locator("h2").text_content()
    assert given.value.suggested_filename == name
    assert Path(given.value.path()).read_bytes() == (library.parent / "pictures" / name).read_bytes()
    view.get_by_role("button", name="Copy path").click()
    expect(page.locator("#toast")).to_have_text("Copied the path.")
    assert page.evaluate("navigator.clipboard.readText()") == f"pictures/{name}"
    expect(view.get_by_role("button", name="Show in folder")).to_have_count(
        page.evaluate("fetch('api/v1/info').then(answer => answer.json()).then(info => info.reveal ? 1 : 0)")
    )


def test_photos_like_one_and_with_what_is_in_a_box_are_found(page: Any) -> None:
    ask(page).first.locator("a.open").click()
    view = page.locator("#view")
    drag(page, view.locator(".pic"))
    expect(view.locator("g.chosen")).to_be_visible()
    view.get_by_role("button", name="More with this").click()
    expect(view).to_be_hidden()
    expect(page.locator("#given h2")).to_have_text("Photos with what is in this box")
    edges = re.search(r"box=([\d.]+)%2C([\d.]+)%2C([\d.]+)%2C([\d.]+)", page.url)
    assert edges and [float(edge) for edge in edges.groups()] == pytest.approx([0.2, 0.2, 0.8, 0.7], abs=0.02)
    expect(page.locator("#status")).to_contain_text("best first")
    first = page.locator("#grid .tile").first
    first.locator("a.open").click()
    view.get_by_role("button", name="More like this").click()
    expect(page.locator("#given h2")).to_have_text("Photos like this one")
    page.go_back()
    page.go_back()
    page.go_back()
    expect(page.locator("#given")).to_be_hidden()
    expect(page.locator("#q")).to_have_value(SENTENCE)


def test_a_picture_is_given_searched_by_and_described(page: Any, library: Path) -> None:
    path = sorted((library.parent / "pictures").iterdir())[3]
    page.set_input_files("#file", path)
    expect(page.locator("#given h2")).to_have_text("Photos like this one")
    expect(page.locator("#grid .tile .name").first).to_have_text(path.name)
    page.get_by_role("button", name="Describe").click()
    expect(page.locator("#given ol.said li").first).to_contain_text("%")
    expect(page.locator("#given")).to_contain_text("not that they are true")
    assert page.locator("#given g.said").count() == page.locator("#given ol.coloured li").count() > 0
    drag(page, page.locator("#given .pic"))
    page.keyboard.press("Enter")
    expect(page.locator("#given h2")).to_have_text("Photos with what is in this box")
    expect(page.locator("#status")).to_contain_text("best first")
    page.reload()
    expect(page.locator("#notice")).to_contain_text("give it again")


def test_a_picture_is_dropped_or_pasted(page: Any, library: Path) -> None:
    paths = sorted((library.parent / "pictures").iterdir())
    content = handed(page, paths[5])
    page.dispatch_event("body", "dragover", {"dataTransfer": content})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": content})
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("#grid .tile .name").first).to_have_text(paths[5].name)
    page.locator("#q").focus()
    page.evaluate(
        """data => document.activeElement.dispatchEvent(
        new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))""",
        handed(page, paths[7]),
    )
    expect(page.locator("#grid .tile .name").first).to_have_text(paths[7].name)
    expect(page.locator("#given h2")).to_have_text("Photos like this one")


def test_a_picture_and_a_sentence_are_asked_together(page: Any, library: Path) -> None:
    path = sorted((library.parent / "pictures").iterdir())[3]
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_contain_text("best first")
    ask(page, "a star")
    expect(page.locator("#given h2")).to_have_text("Photos like this one, and “a star”")
    both = found(library, [Sentence("a star"), Like(path)])
    expect(page.locator("#grid .tile .name").first).to_have_text(both[0])
    assert names(page) == both[: len(names(page))]
    page.get_by_role("button", name="Remove picture").click()
    expect(page.locator("#given")).to_be_hidden()
    alone = found(library, "a star")
    expect(page.locator("#grid .tile .name").first).to_have_text(alone[0])


def test_a_score_is_explained_and_near_duplicates_are_folded(page: Any) -> None:
    asked = []

    def alike(said: dict[str, Any]) -> None:
        first, *others = said["hits"]
        first["score"], first["hubness"] = -0.25, 0.75
        first["near_duplicates"] = [{"number": one["number"], "path": one["path"]} for one in others[:2]]

    page.on("request", lambda one: asked.append(one.post_data_json) if one.url.endswith("/search") else None)
    altered(page, alike)
    first = ask(page).first
    assert asked[0]["group"] is True
    expect(first.locator(".folded")).to_have_text("+2")
    first.locator("a.open").click()
    view = page.locator("#view")
    why = view.get_by_text("Score −0.25 = 0.50 for what is asked − 0.75 for fitting anything.")
    expect(why).to_be_hidden()
    view.get_by_text("Why?").click()
    expect(why).to_be_visible()
    expect(view.locator(".alike img")).to_have_count(2)
    view.locator(".alike button").nth(1).click()
    expect(view.locator("h2")).not_to_have_text(first.locator(".name").text_content())
    page.goto("/?q=a+star&group=0")
    expect(page.get_by_role("button", name="Remove filter: Near-duplicates unfolded")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("best first")
    assert asked[-1]["group"] is False


def test_old_addresses_of_searches_still_work(page: Any) -> None:
    asked = []
    page.on("request", lambda one: asked.append(one.post_data_json) if one.url.endswith("/search") else None)
    page.goto("/?q=a+star&sure=1&where=width+%3E+3&top=48&group=1")
    expect(page.locator("#status")).to_contain_text("best first")
    assert asked[0]["min_confidence"] == 0.01 and asked[0]["where"] == "width > 3" and asked[0]["group"] is True
    page.goto("/?like=4&box=0.1000,0.1000,0.9000,0.9000")
    expect(page.locator("#given h2")).to_have_text("Photos with what is in this box")
    assert asked[1]["like"] == {"picture": 4, "box": [0.1, 0.1, 0.9, 0.9]}


def test_filters_are_picked_and_taken_off(page: Any) -> None:
    page.click("#filters")
    panel = page.locator("#panel")
    orientation = panel.get_by_label("Orientation")
    count = orientation.locator("option").nth(1).text_content().split("· ")[1]
    orientation.select_option(index=1)
    expect(page.locator("#chosen button")).to_have_count(1)
    expect(page.locator("#status")).to_have_text(f"{count} photos")
    assert "orientation=" in page.url
    panel.get_by_label("From", exact=True).fill("2001-01-01")
    panel.get_by_label("Until").fill("2001-01-02")
    panel.get_by_label("Until").press("Enter")
    expect(page.locator("#start")).to_contain_text("No photo passes these filters")
    page.get_by_role("button", name="Remove filter: Until Tue, 2 January 2001").click()
    expect(page.locator("#status")).to_have_text(f"{count} photos")
    expect(page.locator("#set")).to_have_text(" · 2")
    panel.get_by_label("Where").fill("width > 100000")
    panel.get_by_label("Where").press("Enter")
    expect(page.locator("#start")).to_contain_text("No photo passes these filters")
    expect(panel.get_by_label("Where")).to_be_focused()
    page.fill("#q", SENTENCE)
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_have_text("Nothing here matches, with these filters.")
    expect(page.locator("#grid .tile")).to_have_count(0)
    page.go_back()
    page.go_back()
    expect(page.locator("#chosen button")).to_have_count(2)


def test_a_folder_is_picked_in_the_tree(page: Any) -> None:
    side = page.get_by_role("navigation", name="Albums and folders")
    side.get_by_role("link", name="pictures").click()
    expect(page.get_by_role("button", name="Remove filter: Folder: pictures")).to_be_visible()
    assert "under=pictures" in page.url
    expect(side.get_by_role("link", name="pictures")).to_have_attribute("aria-current", "page")
    side.get_by_role("link", name="Photos").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_how_sure_is_asked_only_of_a_sentence_alone(page: Any) -> None:
    page.click("#filters")
    ask(page)
    page.locator("#sure").select_option(label="Likely or possible")
    expect(page.locator("#set")).to_have_text(" · 1")
    page.fill("#not", "square")
    page.press("#not", "Enter")
    expect(page.locator("#sure")).to_be_disabled()
    expect(page.locator("#set")).to_have_text(" · 1")
    expect(page.locator("#notice")).to_be_hidden()


def test_photos_are_selected_by_checks_shift_and_keys(page: Any) -> None:
    tiles = page.locator("#grid .tile")
    bar, selected = page.locator("#actions"), page.locator("#grid .tile.selected")
    tiles.nth(2).hover()
    tiles.nth(2).get_by_role("checkbox").click()
    expect(bar).to_contain_text("1 photo selected")
    expect(tiles.nth(2).get_by_role("checkbox")).to_have_attribute("aria-checked", "true")
    tiles.nth(6).locator("a.open").click(modifiers=["Shift"])
    expect(selected).to_have_count(5)
    tiles.nth(4).locator("a.open").click()  # while some are selected, a click selects
    expect(selected).to_have_count(4)
    expect(page.locator("#view")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    tiles.nth(1).locator("a.open").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(selected).to_have_count(3)
    page.keyboard.press("Shift+ArrowLeft")
    expect(selected).to_have_count(2)
    page.keyboard.press("Control+a")
    expect(bar).to_contain_text("30 photos selected")
    bar.get_by_role("button", name="Clear selection").click()
    expect(selected).to_have_count(0)


def test_photos_are_selected_by_a_rectangle(page: Any) -> None:
    tiles = page.locator("#grid .tile")
    one, other = tiles.nth(0).bounding_box(), tiles.nth(1).bounding_box()
    page.mouse.move(one["x"] + 20, one["y"] + 60)
    page.mouse.down()
    page.mouse.move(other["x"] + 30, other["y"] + 100, steps=4)
    expect(page.locator(".rubber")).to_be_visible()
    page.mouse.up()
    expect(page.locator(".rubber")).to_be_hidden()
    expect(page.locator("#grid .tile.selected")).to_have_count(2)
    expect(page.locator("#view")).to_be_hidden()


def test_selected_photos_are_downloaded_and_their_paths_copied(page: Any, library: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page)
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    chosen = names(page)[:2]
    with page.expect_download() as given:
        page.locator("#actions").get_by_role("button", name="Download").click()
    with zipfile.ZipFile(given.value.path()) as archive:
        assert sorted(map(os.path.basename, archive.namelist())) == sorted(chosen)
    page.locator("#actions").get_by_role("button", name="Copy paths").click()
    expect(page.locator("#toast")).to_have_text("Copied 2 paths.")
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied == [f"pictures/{name}" for name in chosen]


def test_an_album_is_made_opened_renamed_exported_and_deleted(page: Any) -> None:
    side, bar, dialog = page.locator("#side"), page.locator("#actions"), page.locator("dialog.small")
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    bar.get_by_role("button", name="Add to album").click()
    dialog.get_by_label("Name of the new album").fill("Trip")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_have_text("Added 2 photos to “Trip”.")
    side.get_by_role("link", name="Trip").click()
    expect(page.locator("#status")).to_have_text("2 photos")
    head = page.locator("#album")
    expect(head.get_by_role("heading")).to_have_text("Trip")
    address = page.url
    head.get_by_role("button", name="Rename").click()
    dialog.get_by_label("Name").fill("Journey")
    page.keyboard.press("Enter")
    expect(side.get_by_role("link", name="Journey")).to_be_visible()
    for kind, what in (("JSON", "numbers"), ("CSV", "path")):
        with page.expect_download() as given:
            head.get_by_role("link", name=f"Export {kind}").click()
        assert Path(given.value.path()).read_text()
        assert given.value.suggested_filename == f"Journey.{kind.lower()}", what
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Space")
    bar.get_by_role("button", name="Remove from album").click()
    expect(page.locator("#status")).to_have_text("1 photo")
    page.goto(address)
    expect(page.locator("#album")).to_contain_text("Journey")
    head.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(head).to_be_visible()
    head.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#status")).to_have_text("30 photos")
    expect(side.get_by_role("link", name="Journey")).to_have_count(0)


def test_words_are_suggested_while_typing(page: Any) -> None:
    page.locator("#q").focus()
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(options.first).to_be_visible()  # words that the model knows
    page.keyboard.type("a cir")
    expect(options.first).to_contain_text("a circle")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(page.locator("#q")).to_have_attribute("aria-activedescendant", "word-0")
    page.keyboard.press("Enter")
    expect(page.locator("#q")).to_have_value("a circle")
    expect(page.locator("#status")).to_contain_text("best first")
    expect(options.first).to_be_hidden()
    page.fill("#q", "a red cir")
    page.press("#q", "Enter")  # before they come
    page.wait_for_timeout(500)
    expect(options.first).to_be_hidden()


def test_another_spelling_is_offered(page: Any) -> None:
    ask(page, "a red cirlce")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("does not know “cirlce”")
    expect(notice).to_contain_text("Did you mean a red circle?")
    notice.get_by_role("button").click()
    expect(page.locator("#q")).to_have_value("a red circle")
    expect(notice).to_be_hidden()


def test_a_finger_lights_words_drags_a_box_and_swipes(browser: Any, address: str) -> None:
    with opened(browser, address, viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True) as page:
        results = ask(page)
        page.locator("#legend button", has_text="circle").tap()
        expect(page.locator("#grid g.lit-up")).to_have_count(results.count())
        results.first.locator("a.open").tap()
        view, touch = page.locator("#view"), page.context.new_cdp_session(page)
        expect(view.locator(".rank")).to_contain_text("1 of")

        def stroke(*places: tuple[float, float]) -> None:
            area = view.locator(".pic").bounding_box()
            last = len(places)
            for number, (x, y) in enumerate((*places, (0, 0))):
                points = [{"x": area["x"] + x * area["width"], "y": area["y"] + y * area["height"]}]
                kind = "Start" if number == 0 else "End" if number == last else "Move"
                touch.send(
                    "Input.dispatchTouchEvent",
                    {"type": f"touch{kind}", "touchPoints": [] if kind == "End" else points},
                )
            page.wait_for_timeout(350)  # at once, a tap would only end the stroke

        stroke((0.8, 0.5), (0.5, 0.5), (0.2, 0.5))
        expect(view.locator(".rank")).to_contain_text("2 of")
        view.get_by_role("button", name="More with this…").click()
        expect(view.get_by_role("button", name="More with this…")).to_have_attribute("aria-pressed", "true")
        stroke((0.2, 0.2), (0.5, 0.5), (0.8, 0.7))
        expect(view.locator("g.chosen")).to_be_visible()
        view.get_by_role("button", name="More with this").click()
        expect(page.locator("#given h2")).to_have_text("Photos with what is in this box")
        edges = re.search(r"box=([\d.]+)%2C([\d.]+)%2C([\d.]+)%2C([\d.]+)", page.url)
        assert edges and [float(edge) for edge in edges.groups()] == pytest.approx([0.2, 0.2, 0.8, 0.7], abs=0.02)


def test_a_file_that_is_no_picture_is_said(page: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("no picture")
    page.set_input_files("#file", tmp_path / "letter.jpg")
    expect(page.locator("#notice")).to_contain_text("letter.jpg: not a picture")


def test_when_nothing_matches_well_that_is_said(page: Any) -> None:
    def unsure(said: dict[str, Any]) -> None:
        for hit in said["hits"]:
            hit["confidence"] = 0.002
        said["poor_match"] = True

    altered(page, unsure)
    expect(ask(page).first.locator(".sure")).to_have_text("unlikely")
    expect(page.locator("#notice")).to_have_text(
        "Nothing here matches well: the best is < 1 % sure. These are the nearest."
    )


def test_who_is_faster_than_the_script_searches_too(page: Any) -> None:
    page.route("**/app.js", lambda route: None)  # it never comes
    page.goto("/", wait_until="commit")
    page.fill("#q", SENTENCE)
    page.unroute("**/app.js")
    page.press("#q", "Enter")
    expect(page.locator("#status")).to_contain_text("best first")


def test_unknown_words_are_said(page: Any) -> None:
    ask(page, "a red zebra")
    expect(page.locator("#notice")).to_contain_text("does not know “zebra”")
    expect(page.locator("#legend .unknown")).to_have_text(["zebra"])
    page.fill("#q", "zebra")
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_contain_text("knows none of these words")
    expect(page.locator("#grid .tile")).to_have_count(0)


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
    assert ask(page).count()
    expect(page.locator("#notice")).to_be_hidden()


def test_keys_alone_suffice(page: Any) -> None:
    page.locator("body").press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(SENTENCE)
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("best first")
    links = page.locator("#grid a.open")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#grid a.open')"):
            break
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.closest('.tile').index")
    assert below > 2
    page.keyboard.press("Enter")
    view = page.locator("#view")
    expect(view.locator(".rank")).to_have_text(re.compile(f"^{below + 1} of"))
    for _ in range(60):  # the focus stays in it, but for the browser's own buttons
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#view')")
    page.keyboard.press("ArrowLeft")
    expect(view.locator(".rank")).to_have_text(re.compile(f"^{below} of"))
    page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    until(page, f"document.activeElement.closest('.tile')?.index === {below - 1}", "the focus is lost")


@pytest.mark.parametrize("wide", [320, 3840])
def test_no_screen_needs_scrolling_sideways(page: Any, wide: int) -> None:
    page.set_viewport_size({"width": wide, "height": 740})
    page.click("#filters")
    ask(page).first.locator("a.open").click()
    expect(page.locator("#view dl")).to_be_visible()
    assert (
        page.evaluate("[document.documentElement.scrollWidth, document.querySelector('#view').scrollWidth]")
        == [pytest.approx(wide, abs=16)] * 2
    )


def test_who_wants_no_motion_gets_none(browser: Any, address: str) -> None:
    with opened(browser, address, reduced_motion="reduce") as page:
        moving = """[...document.querySelectorAll("*")].filter(one =>
            getComputedStyle(one).transitionDuration.split(", ").some(time => time !== "0s")).length"""
        ask(page)
        assert page.evaluate(moving) == 0


def test_what_data_says_is_never_read_as_html(page: Any) -> None:
    bad = "<img src=x onerror=alert(1)>"

    def spoil(said: dict[str, Any]) -> None:
        for hit in said["hits"]:
            hit["name"] = hit["path"] = bad

    def spoil_facts(said: dict[str, Any]) -> None:
        said |= {"name": bad, "path": bad, "camera": bad, "meta": {"<b>": "<script>alert(1)</script>"}}

    altered(page, spoil)
    altered(page, spoil_facts, "**/pictures/*/info")
    ask(page).first.locator("a.open").click()
    expect(page.locator("#view dl")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("#view h2")).to_have_text(bad)


def test_photos_are_added_from_an_allowed_folder(browser: Any, library: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(library.parent, home)
    more = home / "more"
    with served(create_app(Index(home / "index", "cpu"), photos=[more])) as where, opened(browser, where) as page:
        page.get_by_role("button", name="Add photos…").click()
        dialog = page.locator("dialog.small")
        dialog.get_by_role("button", name="Add photos").click()
        expect(page.locator("#status")).to_have_text("32 photos")
        dialog.get_by_text("1 file could not be read").click()
        expect(dialog.locator(".broken-files")).to_contain_text("letter.jpg")
        dialog.get_by_role("button", name="Close").click()
        expect(page.get_by_role("button", name="Add photos…")).to_be_focused()


def test_the_page_works_behind_a_path_prefix(browser: Any, library: Path) -> None:
    app = create_app(Index(library, "cpu"))

    async def behind(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        """A proxy that passes on what is below /my/photos."""
        if scope["type"] == "http":
            path = scope["path"]
            scope = {**scope, "path": path.removeprefix("/my/photos") if path.startswith("/my/photos/") else "/nowhere"}
        await app(scope, receive, send)

    with served(behind) as where, opened(browser, f"{where}/my/photos/") as page:
        seen(page, 5)
        ask(page).first.locator("a.open").click()
        expect(page.locator("#view dl")).to_be_visible()
        assert page.url.startswith(f"{where}/my/photos/?")
        page.goto(f"{where}/my/photos/api/v1/docs")
        expect(page.locator("section").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_of(browser: Any, address: str, scheme: str) -> None:
    """axe-core, the checker of accessibility, in every state of the page."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python, which brings axe-core, is not installed")
    source = Path(found.origin).with_name("axe.min.js").read_text()
    every = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    colours = {"type": "rule", "values": ["color-contrast"]}  # nothing else is different in the dark
    rules = {"runOnly": every if scheme == "light" else colours, "resultTypes": ["violations"]}

    def check(page: Any, state: str) -> None:
        page.wait_for_timeout(350)  # what fades is there
        page.evaluate(source)
        wrong = page.evaluate("rules => axe.run(rules)", rules)["violations"]
        told = [(one["id"], [(node["target"], node["failureSummary"]) for node in one["nodes"][:2]]) for one in wrong]
        assert not told, f"{state}: {told}"

    with opened(browser, address, color_scheme=scheme) as page:
        seen(page, 5)
        check(page, "photos")
        page.click("#filters")
        check(page, "filters")
        page.click("#filters")
        page.locator("#grid a.open").first.focus()
        page.keyboard.press("Space")
        check(page, "selection")
        page.locator("#actions").get_by_role("button", name="Add to album").click()
        check(page, "dialog")
        page.keyboard.press("Escape")
        page.locator("#q").focus()
        page.keyboard.type("a cir")
        expect(page.locator("#words li").first).to_be_visible()
        check(page, "suggestions")
        ask(page)
        check(page, "results")
        page.locator("#grid a.open").first.click()
        expect(page.locator("#view dl")).to_be_visible()
        page.get_by_text("Why?").click()
        check(page, "opened photo")
        page.goto("/?like=4")
        expect(page.locator("#given")).to_be_visible()
        check(page, "given picture")


def test_the_docs_list_every_operation(page: Any) -> None:
    page.goto("/api/v1/docs")
    described = page.request.get("/api/v1/openapi.json").json()
    for path, methods in described["paths"].items():
        headings = page.locator("section h3 code", has_text=re.compile(f"^{re.escape(path)}$"))
        expect(headings).to_have_count(len(methods))


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
