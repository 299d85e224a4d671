"""The page in a browser: a search by a picture, or by what is in a box of it."""

import re
from pathlib import Path
from typing import Any

import pytest

from browsing import SENTENCE, ask, drag, expect, found, handed, names
from wordsight.search.query import Like, Sentence


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
