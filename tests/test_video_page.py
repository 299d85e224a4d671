"""Videos on the page, in a real browser: played from the frame that was found."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from test_video_web import folder  # noqa: F401 - a fixture
from test_videos import ASK
from wordsight.search.index import Index
from wordsight.web.app import create_app

pytest.importorskip("playwright.sync_api", reason="the extra 'browser' (playwright) is not installed")
from browsing import complaints, expect, opened, served


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:  # noqa: F811
    with served(create_app(Index(folder, "cpu"))) as where:
        yield where


STATE = "(film => film && [film.currentTime, film.paused])(document.querySelector('video'))"


def until(page: Any, what: str) -> None:
    """Wait for something to be true; the page lets no function be made of text, which `wait_for_function` does."""
    for _ in range(150):
        if page.evaluate(what):
            return
        page.wait_for_timeout(100)
    raise AssertionError(what)


def test_a_video_plays_from_its_frame_and_the_address_keeps_the_time(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        expect(page.locator("#status")).to_have_text("1 photo, 2 videos")
        expect(page.locator(".length")).to_have_count(2)
        page.fill("#q", ASK)
        page.press("#q", "Enter")
        expect(page.locator("#status")).to_contain_text("3 results")
        tile = page.locator('.tile:has-text("VID_")')
        expect(tile.locator("a.open")).to_have_attribute("aria-label", re.compile("video at 0:0"))
        tile.locator("a.open").click()
        expect(page.locator(".play")).to_be_focused()
        begin = int(page.locator(".play").inner_text().rpartition(":")[2])
        expect(page.locator(".aside h2")).to_contain_text(f"at 0:0{begin}")
        expect(page.locator(".moment")).to_have_count(3)
        page.keyboard.press("Space")
        until(page, f"document.querySelector('video')?.currentTime > {begin} + 0.2")
        page.keyboard.press("Space")
        until(page, "document.querySelector('video').paused")
        until(page, "location.search.includes('t=') || document.querySelector('video').currentTime < 1")
        kept, at = page.url, page.evaluate(STATE)[0]
        page.goto(kept)
        if "&t=" in kept:
            until(page, f"document.querySelector('video')?.currentTime === {int(at)}")
            page.locator(".back").click()
            assert "t=" not in page.url.partition("photo=")[2]
        expect(page.locator(".play")).to_be_visible()
        page.locator(".moment").first.click()
        expect(page.locator(".aside h2")).not_to_contain_text(f"at 0:0{begin}")


def test_what_a_browser_cannot_play_is_said_and_can_be_downloaded(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.goto(f"{address}/?kind=video&where=path+~+%22*.avi%22")
        expect(page.locator("#chosen")).to_contain_text("Videos")
        page.locator("a.open").click()
        page.locator(".play").click()
        expect(page.locator(".refused")).to_contain_text("This browser cannot play this video.")
        expect(page.locator(".refused a")).to_be_focused()
        with page.expect_download() as saved:
            page.locator(".refused a").click()
        assert saved.value.path().stat().st_size > 1000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_against_videos(browser: Any, address: str, scheme: str) -> None:
    with opened(browser, address, color_scheme=scheme, viewport={"width": 400, "height": 800}) as page:
        assert not complaints(page, dark=scheme == "dark")
        page.goto(f"{address}/?q=a+red+circle&kind=video")
        page.locator('.tile:has-text("VID_") a.open').click()
        expect(page.locator(".moment").first).to_be_visible()
        assert not complaints(page, "#view", dark=scheme == "dark")
        page.locator(".play").click()
        expect(page.locator("video")).to_be_visible()
        assert not complaints(page, "#view", dark=scheme == "dark")
