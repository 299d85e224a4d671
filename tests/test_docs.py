"""The documentation names what there is, gives the defaults that hold, and links to what exists."""

import ast
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import typer

import wordsight
from wordsight.cli.main import app
from wordsight.metrics.ranking import KS
from wordsight.reports.caption_report import NAMES, VARIETY
from wordsight.reports.tables import RECALLS, ROWS
from wordsight.runs import recipe
from wordsight.runs.recipe import DataSettings, TextSettings, TrainSettings
from wordsight.runs.tasks import MODELS, model_class
from wordsight.vision.regions import RegionSettings

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path(wordsight.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
TABLES = {"data": DataSettings, "regions": RegionSettings, "text": TextSettings, "train": TrainSettings}
page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def recipe_keys() -> set[tuple[str, Any]]:
    """Every key of a recipe with its default; a key of the model may have another default in another model."""
    keys = {(f"{table}.{part.name}", part.default) for table, kind in TABLES.items() for part in fields(kind)}
    for name in MODELS:
        for key, parameter in inspect.signature(model_class(name).__init__).parameters.items():
            if key not in recipe.GIVEN:
                keys.add((f"model.{key}", parameter.default))
    return {*keys, ("model.name", "align")}


def verbs(command: Any, name: str = "wordsight") -> Iterator[tuple[str, Any]]:
    """Every command of the command line, in full."""
    inside = getattr(command, "commands", None)
    if inside is None:
        yield name, command
    else:
        for word, part in inside.items():
            yield from verbs(part, f"{name} {word}")


VERBS = dict(verbs(typer.main.get_command(app)))


def options(command: Any) -> set[str]:
    return {
        name
        for part in command.params
        if not getattr(part, "hidden", False)
        for name in (*part.opts, *part.secondary_opts)
        if name.startswith("-")
    }


def section(heading: str) -> str:
    """The guide from a heading to the next one."""
    return GUIDE.partition(f"\n{heading}\n")[2].partition("\n##")[0]


def data_formats() -> set[str]:
    """What the readers call their formats: the third argument of every `Dataset` they make."""
    found: set[str] = set()
    for path in (SOURCE / "data").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Dataset":
                values = [part.value for part in ast.walk(node.args[2]) if isinstance(part, ast.Constant)]
                found |= {value for value in values if isinstance(value, str)}
    return found


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def row(key: str, default: Any) -> str:
    """How a key's row in the guide begins."""
    return f"| `{key}` | {'required' if default is MISSING else f'`{json.dumps(default)}`'} |"


@pytest.mark.parametrize("beginning", sorted(row(*key) for key in recipe_keys()))
def test_the_guide_has_every_recipe_key_with_its_default(beginning: str) -> None:
    assert f"\n{beginning}" in GUIDE


def test_the_guide_has_every_recipe() -> None:
    recipes = sorted((ROOT / "recipes").glob("*.toml"))
    assert not [path.name for path in recipes if f"| `recipes/{path.name}` |" not in GUIDE]


def test_the_guide_has_no_recipe_key_that_is_gone() -> None:
    tables = GUIDE.partition("\n## Recipes\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^(\| `\w+\.\w+` \| .+? \|)", tables, re.MULTILINE))
    assert named == {row(*key) for key in recipe_keys()}


@pytest.mark.parametrize("verb", VERBS)
def test_the_guide_has_every_command_with_its_options(verb: str) -> None:
    text = section(f"### `{verb}`")
    assert text, f"no section on {verb}"
    assert {option for option in options(VERBS[verb]) if f"`{option}`" not in text} <= {"--help", "-h"}


def test_the_guide_has_every_data_format() -> None:
    formats = data_formats()
    assert len(formats) >= 6
    text = section("## Data formats")
    assert not [name for name in formats if f"| `{name}` |" not in text]


def test_the_guide_has_every_environment_variable() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    assert not [name for name in set(re.findall(r"WORDSIGHT_[A-Z]+", code)) if f"| `{name}` |" not in GUIDE]


def test_the_guide_has_every_figure() -> None:
    assert len(RECALLS) == 2 * len(KS) + 2
    text = section("## Figures")
    assert not [key for key in RECALLS if f"`{key}`" not in text]
    assert not [row for row in ROWS if f"`grounding_{row}pointing`" not in text and f"`grounding_{row}iou`" not in text]
    assert not [key for key in (*NAMES, *VARIETY) if f"`{key}`" not in section("### Captions")]


@page
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        if "://" in target:
            continue
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name} links {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page.name} links {target}#{anchor}"


@page
def test_examples_are_of_this_version(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in blocks(text, "python"):
        compile(block, page.name, "exec")
    for block in blocks(text, "toml"):
        recipe.parse(block)
    for line in re.findall(r"^    (wordsight .+)$", text, re.MULTILINE):
        words = shlex.split(re.sub(r"[\[\]]|\.\.\.", " ", line), comments=True)
        verb = next((name for name in VERBS if words[: len(name.split())] == name.split()), "")
        assert verb, f"{page.name}: {line}"
        assert {word for word in words if word.startswith("-")} <= options(VERBS[verb]), f"{page.name}: {line}"
