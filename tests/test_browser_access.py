"""The page in a browser: for everyone, on every screen, and behind a proxy."""

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from browsing import SENTENCE, altered, ask, complaints, expect, opened, seen, served, until
from wordsight.search.index import Index
from wordsight.web.app import create_app


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


def test_long_words_need_no_scrolling_sideways(page: Any) -> None:
    word = 5 * "Donaudampfschifffahrtsgesellschaft"
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"/?not={word}&where=width+>+1+and+height+>+1+and+bytes+>+1+and+width+>+2+and+height+>+2")
    expect(page.locator("#notice")).to_contain_text(word)
    page.evaluate("text => import('./ask.js').then(({ toast }) => toast(text))", word)
    wide = "([...document.querySelectorAll('html, #toast')].every((one) => one.scrollWidth <= one.offsetWidth))"
    assert page.evaluate(wide)


@pytest.mark.parametrize("wide", [320, 375])
def test_the_head_of_a_phone_has_two_rows(page: Any, wide: int) -> None:
    altered(page, lambda said: said.update(sketches=True), "**/api/v1/info")
    page.set_viewport_size({"width": wide, "height": 740})
    page.reload()
    expect(page.locator("#draw")).to_be_visible()
    assert page.locator("#top").bounding_box()["height"] < 120


def test_who_wants_no_motion_gets_none(browser: Any, address: str) -> None:
    with opened(browser, address, reduced_motion="reduce") as page:
        moving = """[...document.querySelectorAll("*")].filter(one =>
            getComputedStyle(one).transitionDuration.split(", ").some(time => time !== "0s")).length"""
        ask(page)
        assert page.evaluate(moving) == 0


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
    """In every state of the page; in the dark, what each state brings."""

    def check(page: Any, state: str, brings: str = "html") -> None:
        told = complaints(page, brings, dark=True) if scheme == "dark" else complaints(page)
        assert not told, f"{state}: {told}"

    with opened(browser, address, color_scheme=scheme) as page:
        seen(page, 5)
        check(page, "photos")
        page.click("#filters")
        check(page, "filters", "#panel")
        page.click("#filters")
        page.locator("#grid a.open").first.focus()
        page.keyboard.press("Space")
        check(page, "selection", "#actions, #grid")
        page.locator("#actions").get_by_role("button", name="Add to album").click()
        check(page, "dialog", "dialog[open]")
        page.keyboard.press("Escape")
        page.locator("#q").focus()
        page.keyboard.type("a cir")
        expect(page.locator("#words li").first).to_be_visible()
        check(page, "suggestions", "#words")
        ask(page)
        check(page, "results")
        page.locator("#grid a.open").first.click()
        expect(page.locator("#view dl")).to_be_visible()
        page.get_by_text("Why?").click()
        check(page, "opened photo", "#view")
        page.goto("/?like=4")
        expect(page.locator("#given")).to_be_visible()
        check(page, "given picture", "#given, #status")
        page.goto("/api/v1/docs")
        expect(page.locator("section").first).to_be_visible()
        check(page, "API")


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
