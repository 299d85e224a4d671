"""What is done in an opened photo or a given picture, said by the page in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import complaints, expect, opened, served, until
from wordsight.runs.captioner import load_captioner
from wordsight.runs.recogniser import load_recogniser
from wordsight.search.index import Index
from wordsight.web.app import create_app
from wordsight.web.describing import Situations

ANSWER = {
    "verb": "riding", "confidence": 0.42, "sure": True, "sentence": "people ride a horse at a beach",
    "others": [{"verb": "walking", "confidence": 0.2}, {"verb": "standing", "confidence": 0.1}],
    "roles": [
        {"role": "agent", "noun": "n1", "word": "people", "confidence": 0.8, "sure": True, "box": [0.1, 0.1, 0.5, 0.9]},
        {"role": "vehicle", "noun": "n2", "word": "horse", "confidence": 0.6, "sure": True, "box": [0, 0, 1, 1]},
        {"role": "place", "noun": "n3", "word": "beach", "confidence": 0.3, "sure": True, "box": [0, 0, 1, 1]},
        {"role": "tool", "noun": "n4", "word": "rope", "confidence": 0.1, "sure": False, "box": None},
        {"role": "goal", "noun": "", "word": "", "confidence": 0.9, "sure": True, "box": None},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def where(library: Path, situations: Path, region_captioner: Path) -> Iterator[str]:
    """A server with a run that finds situations, and one that describes regions."""
    index, regions = Index(library, "cpu"), load_captioner(region_captioner, "cpu")
    done = Situations(load_recogniser(situations, "cpu"), index.run)
    with served(create_app(index, region_captioner=regions, situations=done)) as address:
        yield address


def asked(page: Any, answer: dict[str, Any] | None = None) -> Any:
    """Open the first photo and ask what is done in it; gives the section."""
    if answer is not None:
        page.route("**/api/v1/situation", lambda route: route.fulfill(json=answer))
    page.locator("#grid a.open").first.click()
    done = page.locator("#view .done")
    done.get_by_role("button", name="What is done here?").click()
    expect(done.locator("ul.roles")).to_be_visible()
    return done


def lit(page: Any) -> list[int]:
    return list(page.evaluate("[...document.querySelectorAll('#view g.said')].map(one => +one.matches('.lit-up'))"))


def test_what_is_done_is_said_by_the_server(browser: Any, where: str) -> None:
    with opened(browser, where) as page:
        done = asked(page)
        expect(done.locator(".answer")).not_to_be_empty()
        expect(done.locator(".role").first).to_have_text("verb")
        expect(done.locator("ul.roles")).to_contain_text("%")
        expect(done.locator(".role").nth(1)).to_have_text("agent")


def test_pointing_at_a_role_lights_its_box(browser: Any, where: str) -> None:
    with opened(browser, where) as page:
        done = asked(page, ANSWER)
        expect(done.locator(".answer")).to_have_text("People ride a horse at a beach.")
        rows = done.locator("ul.roles li")
        expect(rows).to_have_count(6)
        expect(rows.nth(0)).to_contain_text("riding")
        expect(rows.nth(0)).to_contain_text("42 %")
        expect(rows.nth(1)).to_contain_text("80 %")
        expect(rows.nth(4)).to_contain_text("rope, not sure")
        expect(rows.nth(5)).to_contain_text("nothing")
        assert done.locator("ul.roles button").count() == 3 and lit(page) == [0, 0, 0]
        done.get_by_role("button", name="horse").hover()
        assert lit(page) == [0, 1, 0]
        page.mouse.move(300, 500)
        assert lit(page) == [0, 0, 0]
        done.get_by_role("button", name="people").focus()
        assert lit(page) == [1, 0, 0]
        boxes = page.evaluate(
            "[...document.querySelectorAll('#view g.said')].map(one => one.lastChild.getAttribute('x'))"
        )
        assert boxes[0] == "10" and boxes[1] != boxes[2]  # one of two on the same place is inside the other
        page.keyboard.press("Enter")
        expect(page.locator("#view g.chosen")).to_have_count(1)
        expect(page.get_by_role("button", name="More with this", exact=True)).to_be_visible()


def test_its_boxes_and_those_of_a_description_take_turns(browser: Any, where: str) -> None:
    snippet = {"text": "a red circle", "confidence": 0.5, "certain": None, "box": [0.2, 0.2, 0.4, 0.4]}
    with opened(browser, where) as page:
        page.route("**/api/v1/caption", lambda route: route.fulfill(json={"captions": [], "snippets": [snippet]}))
        done = asked(page, ANSWER)
        page.get_by_role("button", name="Describe").click()
        row = page.locator("#view ol.said li")
        expect(row).to_be_visible()
        assert lit(page) == [0]
        done.get_by_role("button", name="people").hover()
        assert lit(page) == [1, 0, 0]
        row.hover()
        assert lit(page) == [1]


def test_the_next_photo_has_its_own_answer(browser: Any, where: str) -> None:
    with opened(browser, where) as page:
        asked(page, ANSWER)
        page.keyboard.press("ArrowRight")
        expect(page.locator("#view .done ul.roles")).to_have_count(0)
        expect(page.locator("#view g.said")).to_have_count(0)


def test_doubt_and_errors_are_said(browser: Any, where: str) -> None:
    with opened(browser, where) as page:
        done = asked(page, ANSWER | {"sure": False, "confidence": 0.12})
        expect(done.locator(".answer")).to_have_text(
            "The model cannot tell. Likeliest: riding (12 %), walking (20 %), standing (10 %)."
        )
        expect(done.locator("li").first).to_contain_text("riding, not sure")
        page.unroute("**/api/v1/situation")
        page.route("**/api/v1/situation", lambda route: route.fulfill(status=503, json={"error": "Too much is asked."}))
        done.get_by_role("button", name="What is done here?").click()
        expect(done.locator(".wrong")).to_have_text("Too much is asked.")


def test_a_picture_that_is_given_has_its_section(browser: Any, where: str, world: Path) -> None:
    path = min((world / "images").iterdir())
    with opened(browser, where) as page:
        page.set_input_files("#file", path)
        done = page.locator("#given .done")
        done.get_by_role("button", name="What is done here?").click()
        expect(done.locator(".role").nth(1)).to_have_text("agent")  # as the server says of the file
        page.route("**/api/v1/situation", lambda route: route.fulfill(json=ANSWER))
        done.get_by_role("button", name="What is done here?").click()
        expect(done.locator(".answer")).to_have_text("People ride a horse at a beach.")
        expect(page.locator("#given g.said")).to_have_count(3)
        done.get_by_role("button", name="people").click()
        expect(page.locator("#given g.chosen")).to_have_count(1)
        page.locator("#given").get_by_role("button", name="More with this", exact=True).click()
        expect(page.locator("#given h2")).to_have_text("Photos with what is in this box")


def test_a_photo_that_is_searched_by_has_its_section(browser: Any, where: str) -> None:
    with opened(browser, where) as page:
        page.locator("#grid a.open").first.click()
        page.locator("#view").get_by_role("button", name="More like this").click()
        page.locator("#given .done").get_by_role("button", name="What is done here?").click()
        expect(page.locator("#given .done ul.roles")).to_be_visible()


def test_without_a_run_there_is_no_section(page: Any) -> None:
    page.locator("#grid a.open").first.click()
    expect(page.locator("#view .tools")).to_be_visible()
    expect(page.locator("#view .done")).to_have_count(0)
    page.get_by_role("button", name="More like this").click()
    expect(page.locator("#given .tools")).to_be_visible()
    expect(page.locator("#given .done")).to_have_count(0)


@pytest.mark.parametrize("given", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"has_touch": True}])
def test_it_is_for_everyone_and_every_screen(browser: Any, where: str, given: dict[str, Any]) -> None:
    narrow = {"viewport": {"width": 320, "height": 740}} if "has_touch" in given else {}
    with opened(browser, where, **given, **narrow) as page:
        done = asked(page, ANSWER)
        assert not complaints(page, "#view", dark=given.get("color_scheme") == "dark")
        if narrow:
            assert page.evaluate("document.querySelector('#view .aside').scrollWidth") <= 320
            assert all(done.locator("ul.roles button").nth(n).bounding_box()["height"] >= 24 for n in range(3))
            done.get_by_role("button", name="people").tap()
            until(page, "document.querySelector('#view g.chosen')", "a finger does not choose the box")
