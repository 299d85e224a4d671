"""The page in a browser: a search by a sentence, and the boxes of its words."""

import re
from pathlib import Path
from typing import Any

import pytest

from browsing import SENTENCE, altered, ask, expect, found, names, opacity, until


def test_a_sentence_finds_photos_and_back_comes_back_to_where_it_was(page: Any, library: Path) -> None:
    ask(page)
    wanted = found(library, SENTENCE)
    assert names(page) == wanted[: len(names(page))]
    first = page.locator("#grid .tile").first
    expect(first.locator(".sure")).to_have_text(re.compile("^(likely|possible|unsure)$"))
    assert first.locator("img").get_attribute("alt").startswith(wanted[0])
    assert not re.search(r"\d[.,]\d|%", first.inner_text())
    expect(page.locator("#legend")).to_have_text("a red circle and a blue square".replace(" ", ""))
    page.set_viewport_size({"width": 500, "height": 450})
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


def test_the_address_of_a_late_photo_shows_it_at_its_place(page: Any) -> None:
    def paged(route: Any) -> None:
        answer = route.fetch(post_data={**route.request.post_data_json, "top": 5})
        route.fulfill(response=answer, json=answer.json())

    wanted = {"sentences": [{"text": SENTENCE}], "top": 20, "group": True}
    found = page.request.post("/api/v1/search", data=wanted).json()
    page.route("**/api/v1/search", paged)
    page.goto(f"/?q={SENTENCE.replace(' ', '+')}&photo={found['hits'][17]['number']}")
    expect(page.locator("#view")).to_contain_text(f"18 of {found['total']}")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#view")).to_contain_text(f"17 of {found['total']}")


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


@pytest.mark.parametrize("sure", ["abc", "-5", "101"])
def test_an_address_with_no_share_of_certainty_asks_for_none(page: Any, sure: str) -> None:
    page.goto(f"/?q=a+star&sure={sure}")
    expect(page.locator("#status")).to_contain_text("best first")
    expect(page.locator("#chosen")).to_be_hidden()


def test_who_is_faster_than_the_script_searches_too(page: Any) -> None:
    page.route("**/app.js", lambda route: None)  # it never comes
    page.goto("/", wait_until="commit")
    page.fill("#q", SENTENCE)
    page.unroute("**/app.js")
    page.press("#q", "Enter")
    expect(page.locator("#status")).to_contain_text("best first")
