"""The notebooks in `examples/` run from the first cell to the last, and store no outputs."""

import ast
import json
import os
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from wordsight.bundled import BOX, CHECKSUMS

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))
pytestmark = pytest.mark.skipif(not (BOX / CHECKSUMS).exists(), reason="this checkout has no small model")
notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def parts(source: str, name: str) -> tuple[CodeType, CodeType | None]:
    """What a cell does, and the expression at its end that a notebook shows."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    shown = compile(ast.Expression(last.value), name, "eval") if isinstance(last, ast.Expr) else None
    return compile(tree, name, "exec"), shown


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["read_the_paper", "search_my_photos", "train_on_my_pairs"]


@notebook
def test_a_notebook_stores_no_outputs(notebook: Path) -> None:
    code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert notebook.stat().st_size < 20_000


@notebook
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(notebook)):
        if cell["cell_type"] == "code":
            done, shown = parts("".join(cell["source"]), f"{notebook.name}, cell {number}")
            exec(done, names)
            value = None if shown is None else eval(shown, names)
            if hasattr(value, "_repr_html_"):
                assert "<svg" in value._repr_html_(), f"cell {number} shows no picture"
    assert any(tmp_path.iterdir()) and os.getcwd() == str(tmp_path.resolve()) and "IPython" not in sys.modules
