"""The page in a browser while answers are late, fail or come in another order, and while somebody types or clicks."""

import re
import shutil
from pathlib import Path
from typing import Any

from browsing import SENTENCE, ask, drag, expect, first, held, opened, served
from wordsight.search.index import Index
from wordsight.web.app import create_app


def test_a_date_is_typed_digit_by_digit(page: Any) -> None:
    page.click("#filters")
    until = page.locator("#panel input[name=until]")
    until.focus()
    page.keyboard.type("05172020")
    expect(until).to_have_value("2020-05-17")
    expect(page).to_have_url(re.compile("until=2020-05-17"))
    expect(until).to_be_focused()


def press(page: Any, target: Any) -> None:
    """A click as slow as a person's."""
    area = target.bounding_box()
    page.mouse.move(area["x"] + 5, area["y"] + 5)
    page.mouse.down()
    page.wait_for_timeout(90)
    page.mouse.up()


def test_the_click_that_ends_the_typing_of_a_filter_is_not_lost(page: Any) -> None:
    page.click("#filters")
    page.locator("#not").press_sequentially("grass")
    press(page, page.get_by_label("Fold near-duplicates"))
    expect(page).to_have_url(re.compile("not=grass.*group=0"))
    page.locator("#not").press("End")
    page.keyboard.type("es")
    press(page, page.locator("#side").get_by_role("link", name="pictures"))
    expect(page).to_have_url(re.compile("not=grasses.*under=.*group=0"))
    page.locator("#not").press("End")
    page.keyboard.type("!")
    page.keyboard.press("Tab")
    expect(page).to_have_url(re.compile("not=grasses%21"))
    assert page.evaluate("document.activeElement.closest('#panel') !== null")


def test_what_is_clicked_counts_for_more_than_what_was_typed(page: Any) -> None:
    page.click("#filters")
    where = page.locator("#where")
    where.press_sequentially("width > 1")
    press(page, page.locator("#grid a.open").first)
    expect(page).to_have_url(re.compile("where=.*photo="))
    page.wait_for_timeout(700)
    expect(page.locator("#view")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#chosen")).to_contain_text("width > 1")
    where.press("End")
    page.keyboard.type("0")
    press(page, page.locator("#chosen").get_by_role("button"))
    page.wait_for_timeout(700)
    expect(page.locator("#chosen")).to_be_hidden()
    expect(where).to_have_value("")
    where.press_sequentially("width > 1")
    press(page, page.locator("#home"))
    page.wait_for_timeout(700)
    assert "where" not in page.url


def test_a_tap_that_ends_the_typing_of_a_filter_is_not_lost(browser: Any, address: str) -> None:
    with opened(browser, address, has_touch=True) as page:
        page.click("#filters")
        page.locator("#not").press_sequentially("grass")
        page.locator("#side").get_by_role("link", name="pictures").tap()
        expect(page).to_have_url(re.compile("not=grass.*under="))


def test_back_takes_a_filter_off_in_the_panel_and_keeps_what_is_typed(page: Any) -> None:
    page.click("#filters")
    page.locator("#panel select[name=orientation]").select_option("landscape")
    expect(page.locator("#chosen")).to_contain_text("Landscape")
    page.locator("#where").press_sequentially("width >")
    page.go_back()
    expect(page.locator("#chosen")).to_be_hidden()
    expect(page.locator("#panel select[name=orientation]")).to_have_value("")
    expect(page.locator("#where")).to_have_value("width >")


def test_what_is_typed_is_asked_with_what_is_chosen(page: Any) -> None:
    page.fill("#q", SENTENCE)
    page.locator("#side").get_by_role("link", name="pictures").click()
    expect(page.locator("#status")).to_contain_text("best first")
    expect(page.locator("#chosen")).to_contain_text("Folder")
    page.fill("#q", "")
    page.locator("#side").get_by_role("link", name="pictures").click()
    expect(page.locator("#status")).to_have_text("30 photos")


def test_messages_are_said_in_one_photo_after_the_other(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#grid a.open").first.click()
    for _ in range(2):
        page.locator("#view").get_by_role("button", name="Copy path").click()
        expect(page.locator("#toast")).to_have_text("Copied the path.")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#toast")).to_have_count(0)  # it went with the photo


def test_results_that_did_not_come_are_asked_for_again(page: Any) -> None:
    failing = True

    def paged(route: Any) -> None:
        wanted = route.request.post_data_json
        if failing and wanted["page"] > 1:
            return route.fulfill(status=503, json={"error": "Too much is asked."})
        answer = route.fetch(post_data={**wanted, "top": 9})
        route.fulfill(response=answer, json=answer.json())

    page.set_viewport_size({"width": 500, "height": 300})
    page.route("**/api/v1/search", paged)
    ask(page)
    notice = page.locator("#notice")
    page.mouse.wheel(0, 3000)
    expect(notice).to_contain_text("Too much is asked.")
    page.locator("#grid a.open").nth(2).click()
    page.go_back()
    failing = False
    notice.get_by_role("button", name="Try again").click()
    expect(notice).to_be_hidden()
    page.locator("#grid a.open").first.click()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#view .rank")).to_contain_text(re.compile(r"^1[01] of"))


def test_the_next_photo_can_be_shown_once_it_has_come(page: Any) -> None:
    late: list[Any] = []

    def paged(route: Any) -> None:
        if route.request.post_data_json["page"] == 2:
            return late.append(route)
        answer = route.fetch(post_data={**route.request.post_data_json, "top": 4})
        route.fulfill(response=answer, json=answer.json())

    page.route("**/api/v1/search", paged)
    ask(page)
    page.locator("#grid a.open").last.click()
    after = page.locator("#view").get_by_role("button", name="Next")
    expect(after).to_be_hidden()
    route = first(page, late)
    answer = route.fetch(post_data={**route.request.post_data_json, "top": 4})
    route.fulfill(response=answer, json=answer.json())
    expect(after).to_be_visible()


def test_photos_selected_while_a_search_goes_on_are_not_among_its_results(page: Any) -> None:
    waiting = held(page, "**/api/v1/search")
    page.fill("#q", SENTENCE)
    page.press("#q", "Enter")
    request = first(page, waiting)
    page.locator("#grid .check").first.click(force=True)
    expect(page.locator("#actions")).to_be_visible()
    request.continue_()
    expect(page.locator("#status")).to_contain_text("best first")
    expect(page.locator("#actions")).to_be_hidden()


def test_a_photo_opened_while_a_search_goes_on_is_shown_as_a_result_of_it(page: Any) -> None:
    waiting = held(page, "**/api/v1/search")
    page.fill("#q", SENTENCE)
    page.press("#q", "Enter")
    request = first(page, waiting)
    page.locator("#grid a.open").first.click()
    expect(page.locator("#view .evidence")).to_have_count(0)
    request.continue_()
    expect(page.locator("#view .evidence")).to_be_visible()


def test_the_answer_about_a_box_is_not_replaced_by_an_earlier_one(page: Any, library: Path) -> None:
    page.set_input_files("#file", sorted((library.parent / "pictures").iterdir())[3])
    expect(page.locator("#given h2")).to_have_text("Photos like this one")
    waiting: list[Any] = []
    page.route("**/api/v1/caption", lambda route: waiting.append(route) if not waiting else route.continue_())
    page.get_by_role("button", name="Describe").click()
    request = first(page, waiting)
    drag(page, page.locator("#given .pic"))
    page.get_by_role("button", name="Describe what is in the box").click()
    expect(page.locator("#given")).to_contain_text("In this region")
    said = page.locator("#given .told").inner_text()
    with page.expect_response("**/api/v1/caption"):
        request.continue_()
    page.wait_for_timeout(200)
    assert page.locator("#given .told").inner_text() == said


def test_a_description_stays_when_albums_come(page: Any) -> None:
    waiting = held(page, "**/api/v1/albums")
    page.goto("/?like=3")
    page.get_by_role("button", name="Describe").click()
    expect(page.locator("#given ol.said li").first).to_contain_text("%")
    first(page, waiting).continue_()
    expect(page.locator("#places")).to_contain_text("Albums")
    expect(page.locator("#given ol.said li").first).to_contain_text("%")


def test_an_album_that_was_deleted_elsewhere_goes(page: Any) -> None:
    made = page.request.post("/api/v1/albums", data={"name": "Trip", "numbers": [1, 2]}).json()
    page.reload()
    page.locator("#side").get_by_role("link", name="Trip").click()
    expect(page.locator("#status")).to_have_text("2 photos")
    page.request.delete(f"/api/v1/albums/{made['id']}")
    page.locator("#album").get_by_role("button", name="Rename").click()
    page.locator("dialog.small").get_by_label("Name").fill("Journey")
    page.keyboard.press("Enter")
    expect(page.locator("#album")).to_be_hidden()
    expect(page.locator("#notice")).to_contain_text("no album")
    expect(page.locator("#side").get_by_role("link", name="Trip")).to_have_count(0)


def test_a_name_of_spaces_is_no_name(page: Any) -> None:
    page.get_by_role("button", name="New album").click()
    page.locator("dialog.small").get_by_label("Name").fill("   ")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.small")).to_be_visible()


def test_without_a_server_nothing_is_downloaded_and_the_page_stays(page: Any) -> None:
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Space")
    page.route("**/api/v1/*", lambda route: route.abort())
    page.locator("#actions").get_by_role("button", name="Download").click()
    expect(page.locator("#toast")).to_contain_text("The server does not answer")
    expect(page.locator("#actions")).to_contain_text("1 photo selected")


def test_adding_photos_goes_on_after_one_failed_look(browser: Any, library: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(library.parent, home, ignore=shutil.ignore_patterns("catalog.sqlite-*"))  # comes and goes
    with (
        served(create_app(Index(home / "index", "cpu"), photos=[home / "more"])) as where,
        opened(browser, where) as page,
    ):
        looks = iter([{"state": "running", "done": 0, "total": 2, "seconds_left": 1, "broken": []}, None])

        def looked(route: Any) -> None:
            said = next(looks, route)
            if said is route:
                return route.continue_()
            route.fulfill(json=said) if said else route.abort()

        page.get_by_role("button", name="Add photos…").click()
        dialog = page.locator("dialog.small")
        page.route(
            "**/api/v1/index", lambda route: looked(route) if route.request.method == "GET" else route.continue_()
        )
        dialog.get_by_role("button", name="Add photos").click()
        expect(page.locator("#status")).to_have_text("32 photos")
