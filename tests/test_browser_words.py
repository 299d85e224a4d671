"""The page in a browser: what it says, and suggests while typing."""

from pathlib import Path
from typing import Any

from browsing import SENTENCE, altered, ask, expect, first, held


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


def test_what_is_typed_stays_while_the_page_is_loading(page: Any) -> None:
    waiting = held(page, "**/api/v1/facets")
    page.reload()
    expect(page.locator("#status")).to_have_text("30 photos")
    page.fill("#q", SENTENCE)
    page.click("#filters")
    page.locator("#not").press_sequentially("gr")
    asked = first(page, waiting)
    with page.expect_response("**/api/v1/facets") as answer:
        asked.continue_()
    answer.value.finished()
    expect(page.locator("#places")).to_contain_text("Folders")  # drawn with what came
    page.locator("#not").press_sequentially("een")
    expect(page.locator("#not")).to_have_value("green")
    page.press("#not", "Enter")  # asks for the sentence, too
    expect(page.locator("#status")).to_contain_text("best first")
    expect(page.locator("#chosen")).to_contain_text("Less of “green”")
    expect(page.locator("#panel select[name=orientation]")).to_be_visible()
    expect(page.locator("#q")).to_have_value(SENTENCE)
    expect(page.locator("#legend")).to_contain_text("circle")


def test_another_spelling_is_offered(page: Any) -> None:
    ask(page, "a red cirlce")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("does not know “cirlce”")
    expect(notice).to_contain_text("Did you mean a red circle?")
    notice.get_by_role("button").click()
    expect(page.locator("#q")).to_have_value("a red circle")
    expect(notice).to_be_hidden()


def test_another_spelling_is_offered_where_no_word_is_known(page: Any) -> None:
    page.fill("#q", "cricle")
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_contain_text("knows none of these words. Did you mean circle?")
    page.locator("#notice button").click()
    expect(page.locator("#q")).to_have_value("circle")
    expect(page.locator("#status")).to_contain_text("best first")


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
    expect(ask(page).first.locator(".sure")).to_have_text("unsure")
    expect(page.locator("#notice")).to_have_text("The model is not sure of any of these; the nearest come first.")


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
