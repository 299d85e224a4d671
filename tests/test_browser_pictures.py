"""The page in a browser: a search by a picture, or by what is in a box of it."""

import re
from pathlib import Path
from typing import Any

import pytest

from browsing import SENTENCE, altered, ask, drag, expect, found, handed, names
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


def paste(page: Any, data: Any) -> bool:
    """Paste where the focus is; gives whether it is left to the browser."""
    return page.evaluate(
        """data => document.activeElement.dispatchEvent(
        new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))""",
        data,
    )


def test_pictures_of_one_name_are_told_apart_after_a_reload(page: Any, library: Path) -> None:
    for path in sorted((library.parent / "pictures").iterdir())[:2]:
        page.reload()
        given = {"name": "image.png", "mimeType": "image/png", "buffer": path.read_bytes()}
        page.set_input_files("#file", given)
        expect(page.locator("#grid .tile .name").first).to_have_text(path.name)
    page.go_back()
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
    paste(page, handed(page, paths[7]))
    expect(page.locator("#grid .tile .name").first).to_have_text(paths[7].name)
    expect(page.locator("#given h2")).to_have_text("Photos like this one")


def test_a_picture_that_comes_with_text_or_during_a_question_is_not_searched_by(page: Any, library: Path) -> None:
    content = handed(page, sorted((library.parent / "pictures").iterdir())[5])
    page.get_by_role("button", name="New album").click()
    assert paste(page, content)
    page.dispatch_event("body", "dragover", {"dataTransfer": content})
    expect(page.locator("#drop")).to_be_hidden()
    page.dispatch_event("body", "drop", {"dataTransfer": content})
    page.keyboard.press("Escape")
    content.evaluate("data => data.setData('text/plain', 'a star')")
    page.locator("#q").focus()
    assert paste(page, content)
    expect(page.locator("#given")).to_be_hidden()
    assert "upload" not in page.url


def test_of_several_pictures_one_is_searched_by_and_that_is_said(page: Any, library: Path) -> None:
    paths = sorted((library.parent / "pictures").iterdir())[3:5]
    page.locator("#file").evaluate("field => { field.multiple = true; }")
    page.set_input_files("#file", paths)
    expect(page.locator("#toast")).to_have_text(f"Only {paths[0].name} is searched by: one picture at a time.")
    expect(page.locator("#grid .tile .name").first).to_have_text(paths[0].name)


def test_a_drawing_comes_back_and_gives_way(page: Any) -> None:
    hits = page.request.post("/api/v1/search", data={"sentences": [{"text": SENTENCE, "weight": 1}]}).json()
    page.route("**/search/sketch", lambda route: route.fulfill(json=hits))
    altered(page, lambda said: said.update(sketches=True), "**/api/v1/info")
    page.reload()
    pad = page.locator("#pad")

    def ink() -> int:
        return pad.locator("canvas").evaluate(
            """canvas => canvas.getContext("2d").getImageData(0, 0, 512, 512).data.filter((one) => one < 128).length"""
        )

    page.click("#draw")
    drag(page, pad.locator("canvas"))
    expect(page.locator("#status")).to_contain_text("best first")
    drawn = ink()
    assert drawn > 0
    pad.get_by_role("button", name="Close").click()
    expect(pad).to_be_hidden()
    page.go_back()
    expect(pad).to_be_visible()
    assert ink() == drawn
    ask(page)
    expect(pad).to_be_hidden()
    page.go_back()
    expect(pad).to_be_visible()
    assert ink() == drawn
    drag(page, pad.locator("canvas"))
    expect(pad.locator("canvas")).to_be_focused()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert ink() == 0
    expect(pad).to_be_visible()


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
