"""The page in a browser: with fingers."""

import re
from typing import Any

import pytest

from browsing import ask, expect, opened, seen

PHONE: dict[str, Any] = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}


def fingers(touch: Any, *places: list[tuple[float, float]], lift: bool = True) -> None:
    """Fingers on the screen: where each of them is, one step after another."""
    for number, points in enumerate(places):
        said = {"type": "touchMove" if number else "touchStart", "touchPoints": [{"x": x, "y": y} for x, y in points]}
        touch.send("Input.dispatchTouchEvent", said)
    if lift:
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_lights_words_drags_a_box_and_swipes(browser: Any, address: str) -> None:
    with opened(browser, address, **PHONE) as page:
        results = ask(page)
        page.locator("#legend button", has_text="circle").tap()
        expect(page.locator("#grid g.lit-up")).to_have_count(results.count())
        results.first.locator("a.open").tap()
        view, touch = page.locator("#view"), page.context.new_cdp_session(page)
        expect(view.locator(".rank")).to_contain_text("1 of")

        def stroke(*places: tuple[float, float]) -> None:
            area = view.locator(".pic").bounding_box()
            at = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in places]
            fingers(touch, *([place] for place in at))
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


def test_two_fingers_zoom_and_one_moves_what_is_zoomed(browser: Any, address: str) -> None:
    with opened(browser, address, **PHONE) as page:
        seen(page, 1)
        page.locator("#grid a.open").nth(1).tap()
        frame, rank = page.locator("#view .pic"), page.locator("#view .rank")
        expect(rank).to_contain_text("2 of")
        touch, small = page.context.new_cdp_session(page), frame.bounding_box()
        x, y = small["x"] + small["width"] / 2, small["y"] + small["height"] / 2
        fingers(touch, *([(x - by, y), (x + by, y)] for by in (30, 45, 60, 75, 90)))
        large = frame.bounding_box()
        assert large["width"] == pytest.approx(3 * small["width"], rel=0.05)  # as the fingers went
        assert large["x"] + large["width"] / 2 == pytest.approx(x, abs=12)  # what was between them stays there
        page.wait_for_timeout(350)
        fingers(touch, [(x, y)], [(x - 40, y)], [(x - 80, y)])
        assert frame.bounding_box()["x"] < large["x"] - 30
        expect(rank).to_contain_text("2 of")  # moved, not swiped
        page.wait_for_timeout(350)
        fingers(touch, *([(x - by, y), (x + by, y)] for by in (90, 60, 30, 15)))
        assert frame.bounding_box()["width"] == pytest.approx(small["width"], abs=1)  # and never smaller
        assert page.evaluate("visualViewport.scale") == 1  # the page itself is not zoomed


def test_the_bar_of_selected_photos_fits_a_phone(browser: Any, address: str) -> None:
    with opened(browser, address, **{**PHONE, "viewport": {"width": 320, "height": 640}}) as page:
        album = page.request.post("/api/v1/albums", data={"name": "Small", "numbers": [1, 2]}).json()["id"]
        page.goto(f"/?album={album}")
        page.locator("#grid .check").first.click(force=True)
        bar = page.locator("#actions")
        expect(bar.get_by_role("button", name="Remove from album")).to_be_visible()
        area = bar.bounding_box()
        for button in bar.get_by_role("button").all():
            box = button.bounding_box()
            assert area["x"] <= box["x"] and box["x"] + box["width"] <= area["x"] + area["width"] <= 320
        page.request.delete(f"/api/v1/albums/{album}")


def test_a_phone_on_its_side_has_room_for_photos(browser: Any, address: str) -> None:
    with opened(browser, address, **{**PHONE, "viewport": {"width": 740, "height": 360}}) as page:
        seen(page, 3)
        page.evaluate("scrollTo(0, 200)")
        assert page.locator("#top").bounding_box()["y"] == -200
        page.locator("#grid a.open").nth(5).tap()
        last, title = page.locator("#view .of-panel").bounding_box(), page.locator("#view .aside h2").bounding_box()
        assert last["x"] + last["width"] <= title["x"]


def test_a_long_press_selects_and_a_swipe_or_a_tap_does_not(browser: Any, address: str) -> None:
    with opened(browser, address, **PHONE) as page:
        seen(page, 3)
        touch, bar = page.context.new_cdp_session(page), page.locator("#actions")
        tiles = page.locator("#grid .tile")

        def middle(place: int) -> tuple[float, float]:
            area = tiles.nth(place).bounding_box()
            return area["x"] + area["width"] / 2, area["y"] + area["height"] / 2

        x, y = middle(0)
        fingers(touch, [(x, y)], [(x, y - 20)], [(x, y - 40)], lift=False)
        page.wait_for_timeout(600)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(bar).to_be_hidden()  # it scrolled
        page.wait_for_timeout(350)
        fingers(touch, [middle(1)], lift=False)
        expect(bar).to_contain_text("1 photo selected")
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(tiles.nth(1).locator(".check")).to_have_attribute("aria-checked", "true")
        expect(page.locator("#view")).to_be_hidden()  # the finger that leaves opens nothing
        tiles.nth(2).locator("a.open").tap()  # while some are selected, a tap selects
        expect(bar).to_contain_text("2 photos selected")
        bar.get_by_role("button", name="Clear selection").tap()
        tiles.nth(0).locator("a.open").tap()
        expect(page.locator("#view .rank")).to_contain_text("1 of")
