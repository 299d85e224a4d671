"""The page in a browser: the photos by date, and one that is opened."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from browsing import SENTENCE, ask, expect, many, seen, until


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
    area, place = timeline.bounding_box(), page.evaluate("scrollY")
    page.mouse.move(area["x"] + 20, area["y"] + area["height"] / 3)
    page.mouse.down(button="right")
    page.mouse.up(button="right")
    assert page.evaluate("scrollY") == place
    page.mouse.move(area["x"] + 20, area["y"] + 5)
    page.mouse.down()
    page.mouse.move(area["x"] + 20, area["y"] + area["height"] / 2, steps=4)
    expect(page.locator("#scrubber .tip")).to_be_visible()
    page.mouse.up()
    share = page.evaluate("scrollY / (document.documentElement.scrollHeight - innerHeight)")
    assert share == pytest.approx(0.5, abs=0.03)


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
    assert frame.bounding_box()["width"] == pytest.approx(small["width"], rel=0.01)
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
