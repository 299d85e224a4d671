"""The page in a browser: photos are selected, put into albums, filtered and added."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from browsing import SENTENCE, ask, expect, names, opened, served
from wordsight.search.index import Index
from wordsight.web.app import create_app


def test_filters_are_picked_and_taken_off(page: Any) -> None:
    page.click("#filters")
    panel = page.locator("#panel")
    orientation = panel.get_by_label("Orientation")
    count = orientation.locator("option").nth(1).text_content().split("· ")[1]
    orientation.select_option(index=1)
    expect(page.locator("#chosen button")).to_have_count(1)
    expect(page.locator("#status")).to_have_text(f"{count} photos")
    assert "orientation=" in page.url
    panel.get_by_label("From", exact=True).fill("2001-01-01")
    panel.get_by_label("Until").fill("2001-01-02")
    panel.get_by_label("Until").press("Enter")
    expect(page.locator("#start")).to_contain_text("No photo passes these filters")
    page.get_by_role("button", name="Remove filter: Until Tue, 2 January 2001").click()
    expect(page.locator("#status")).to_have_text(f"{count} photos")
    expect(page.locator("#set")).to_have_text(" · 2")
    panel.get_by_label("Where").fill("width > 100000")
    panel.get_by_label("Where").press("Enter")
    expect(page.locator("#start")).to_contain_text("No photo passes these filters")
    expect(panel.get_by_label("Where")).to_be_focused()
    page.fill("#q", SENTENCE)
    page.press("#q", "Enter")
    expect(page.locator("#notice")).to_have_text("Nothing here matches, with these filters.")
    expect(page.locator("#grid .tile")).to_have_count(0)
    page.go_back()
    page.go_back()
    expect(page.locator("#chosen button")).to_have_count(2)


def test_what_is_no_day_is_shown_as_it_was_given(page: Any) -> None:
    page.goto("/?since=0002-01-17&until=2024-13-40")
    expect(page.locator("#chosen button")).to_have_text(["From 0002-01-17 ×", "Until 2024-13-40 ×"])


def test_a_folder_is_picked_in_the_tree(page: Any) -> None:
    side = page.get_by_role("navigation", name="Albums and folders")
    side.get_by_role("link", name="pictures").click()
    expect(page.get_by_role("button", name="Remove filter: Folder: pictures")).to_be_visible()
    assert "under=pictures" in page.url
    expect(side.get_by_role("link", name="pictures")).to_have_attribute("aria-current", "page")
    side.get_by_role("link", name="Photos").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_photos_are_selected_by_checks_shift_and_keys(page: Any) -> None:
    tiles = page.locator("#grid .tile")
    bar, selected = page.locator("#actions"), page.locator("#grid .tile.selected")
    tiles.nth(2).hover()
    tiles.nth(2).get_by_role("checkbox").click()
    expect(bar).to_contain_text("1 photo selected")
    expect(tiles.nth(2).get_by_role("checkbox")).to_have_attribute("aria-checked", "true")
    tiles.nth(6).locator("a.open").click(modifiers=["Shift"])
    expect(selected).to_have_count(5)
    tiles.nth(4).locator("a.open").click()  # while some are selected, a click selects
    expect(selected).to_have_count(4)
    expect(page.locator("#view")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    tiles.nth(1).locator("a.open").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(selected).to_have_count(3)
    page.keyboard.press("Shift+ArrowLeft")
    expect(selected).to_have_count(2)
    page.keyboard.press("Control+a")
    expect(bar).to_contain_text("30 photos selected")
    bar.get_by_role("button", name="Clear selection").click()
    expect(selected).to_have_count(0)


def test_photos_are_selected_by_a_rectangle(page: Any) -> None:
    tiles = page.locator("#grid .tile")
    one, other = tiles.nth(0).bounding_box(), tiles.nth(1).bounding_box()
    page.mouse.move(one["x"] + 20, one["y"] + 60)
    page.mouse.down()
    page.mouse.move(other["x"] + 30, other["y"] + 100, steps=4)
    expect(page.locator(".rubber")).to_be_visible()
    page.mouse.up()
    expect(page.locator(".rubber")).to_be_hidden()
    expect(page.locator("#grid .tile.selected")).to_have_count(2)
    expect(page.locator("#view")).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Enter")  # which is not the end of the drag
    expect(page.locator("#view")).to_be_visible()


def test_selected_photos_are_downloaded_and_their_paths_copied(page: Any, library: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page)
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    chosen = names(page)[:2]
    with page.expect_download() as given:
        page.locator("#actions").get_by_role("button", name="Download").click()
    with zipfile.ZipFile(given.value.path()) as archive:
        assert sorted(map(os.path.basename, archive.namelist())) == sorted(chosen)
    page.locator("#actions").get_by_role("button", name="Copy paths").click()
    expect(page.locator("#toast")).to_have_text("Copied 2 paths.")
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied == [f"pictures/{name}" for name in chosen]


def test_an_album_is_made_opened_renamed_exported_and_deleted(page: Any) -> None:
    side, bar, dialog = page.locator("#side"), page.locator("#actions"), page.locator("dialog.small")
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    bar.get_by_role("button", name="Add to album").click()
    dialog.get_by_label("Name of the new album").fill("Trip")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_have_text("Added 2 photos to “Trip”.")
    side.get_by_role("link", name="Trip").click()
    expect(page.locator("#status")).to_have_text("2 photos")
    head = page.locator("#album")
    expect(head.get_by_role("heading")).to_have_text("Trip")
    address = page.url
    head.get_by_role("button", name="Rename").click()
    dialog.get_by_label("Name").fill("Journey")
    page.keyboard.press("Enter")
    expect(side.get_by_role("link", name="Journey")).to_be_visible()
    for kind, what in (("JSON", "numbers"), ("CSV", "path")):
        with page.expect_download() as given:
            head.get_by_role("link", name=f"Export {kind}").click()
        assert Path(given.value.path()).read_text()
        assert given.value.suggested_filename == f"Journey.{kind.lower()}", what
    page.locator("#grid a.open").first.focus()
    page.keyboard.press("Space")
    bar.get_by_role("button", name="Remove from album").click()
    expect(page.locator("#status")).to_have_text("1 photo")
    page.goto(address)
    expect(page.locator("#album")).to_contain_text("Journey")
    head.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(head).to_be_visible()
    head.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#status")).to_have_text("30 photos")
    expect(side.get_by_role("link", name="Journey")).to_have_count(0)


def test_photos_are_added_from_an_allowed_folder(browser: Any, library: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(library.parent, home, ignore=shutil.ignore_patterns("catalog.sqlite-*"))  # comes and goes
    more = home / "more"
    with served(create_app(Index(home / "index", "cpu"), photos=[more])) as where, opened(browser, where) as page:
        page.get_by_role("button", name="Add photos…").click()
        dialog = page.locator("dialog.small")
        dialog.get_by_role("button", name="Add photos").click()
        expect(page.locator("#status")).to_have_text("32 photos")
        dialog.get_by_text("1 file could not be read").click()
        expect(dialog.locator(".broken-files")).to_contain_text("letter.jpg")
        dialog.get_by_role("button", name="Close").click()
        expect(page.get_by_role("button", name="Add photos…")).to_be_focused()
        broken = page.locator("#side").get_by_role("button", name="1 file could not be read")
        broken.click()
        line = page.get_by_role("dialog", name="1 file could not be read").locator("li")
        expect(line).to_have_text("more/letter.jpg not a picture that can be read (empty, or of an unknown kind)")
        page.keyboard.press("Escape")
        expect(broken).to_be_focused()
