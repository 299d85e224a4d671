"""Imports point one way, heavy things are imported late, and the public names are there."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import wordsight

SOURCE = Path(wordsight.__file__).parent
LEAVES = {"errors", "files", "locks", "progress", "bundled", "configured", "blas", "outputs"}
SEEN_AND_SAID = {"batch", "text", "vision"}
MODELS = {"data", "matching", "captioning", "situations"}
ALLOWED = {  # part -> the parts it may import; each stands on those above it
    "errors": set(),
    "files": {"errors"},
    "locks": {"errors", "files"},
    "progress": {"errors"},
    "configured": set(),
    "blas": set(),
    "outputs": {"errors"},
    "bundled": {"errors", "files"},
    "batch": LEAVES,
    "text": {"batch"} | LEAVES,
    "vision": {"batch", "text.word_table"} | LEAVES,
    "data": {"batch", "text", "vision.images", "vision.clips", "vision.fragments"} | LEAVES,
    "matching": SEEN_AND_SAID | LEAVES,
    "captioning": SEEN_AND_SAID | LEAVES,
    "situations": SEEN_AND_SAID | LEAVES,
    "metrics": SEEN_AND_SAID | MODELS | LEAVES,
    "reports": SEEN_AND_SAID | MODELS | LEAVES | {"metrics"},
    "runs": SEEN_AND_SAID | MODELS | LEAVES | {"metrics", "reports"},
}
USE = SEEN_AND_SAID | MODELS | LEAVES | {"metrics", "reports", "runs"}
ALLOWED |= {part: USE for part in ("training", "evaluation", "comparison", "search")}  # none of them needs another
ALLOWED["web"] = USE | {"search"}
ALLOWED["scale"] = USE | {"search", "training"}
ALLOWED["demo"] = USE | {"search", "training", "evaluation"}
ALLOWED["cli"] = USE | {"search", "training", "evaluation", "comparison", "web", "demo", "scale"}
ALLOWED["__init__"] = USE | {"search", "training", "evaluation"}
STORE = {"batch", "matching.score", "search"} | LEAVES  # what holds and scans vectors knows no model
FINER = {
    f"search/{name}.py": STORE
    for name in (
        "catalog",
        "checked_file",
        "damage",
        "records",
        "rows",
        "salvage",
        "scan",
        "schema",
        "seal",
        "snapshot",
        "paths",
        "vectors",
    )
}
HEAVY = {
    "onnxruntime": {"vision"},
    "transformers": {"vision"},
    "safetensors": {"runs", "vision"},
    "onnx": {"vision"},
    "rawpy": {"vision"},
    "typer": {"cli"},
    "ray": {"scale"},
}
HEAVY |= {library: {"web"} for library in ("fastapi", "starlette", "pydantic", "uvicorn")}


def parts(module: str) -> str:
    """`wordsight.vision.images` -> `vision.images`."""
    return module.removeprefix("wordsight").lstrip(".")


def name_of(path: Path) -> str:
    """A file -> the module in it, as in `wordsight.vision.images`."""
    return ".".join(["wordsight", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")


@cache
def imports(path: Path) -> list[str]:
    """Every module a file imports, wherever in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    home = path.relative_to(SOURCE).with_suffix("").parts[0]
    for module in imports(path):
        if module.startswith("wordsight."):
            part = parts(module)
            allowed = FINER.get(path.relative_to(SOURCE).as_posix(), ALLOWED[home] | {home})
            assert any(part == name or part.startswith(f"{name}.") for name in allowed), f"{path} imports {module}"


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Imports that are late, or for types alone, count as well."""
    files = {name_of(path): path for path in SOURCE.rglob("*.py")}
    graph = {
        name: {one if one in files else one.rpartition(".")[0] for one in imports(path)} & files.keys() - {name}
        for name, path in files.items()
    }
    while leaves := {name for name, needed in graph.items() if not needed & graph.keys()}:
        graph = {name: needed for name, needed in graph.items() if name not in leaves}
    assert graph.keys() == set()


def test_asking_an_index_runs_no_nets_and_a_trained_run_is_used_without_what_trains() -> None:
    code = (
        "import sys, wordsight.cli.index_files\n"
        "assert not {'onnxruntime', 'transformers'} & set(sys.modules), 'nets'\n"
        "import wordsight.runs.aligner, wordsight.runs.captioner, wordsight.search.index, wordsight.web.app\n"
        "assert not [name for name in sys.modules if name.startswith('wordsight.training')], 'trains'"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_each_heavy_library_has_one_home(path: Path) -> None:
    home = path.relative_to(SOURCE).with_suffix("").parts[0]
    for module in imports(path):
        library = module.partition(".")[0]
        assert library not in {"torchvision", "timm"}, f"{path} imports {module}"
        assert home in HEAVY.get(library, {home}), f"{path} imports {module}"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "--help"], ["caption", "--help"], ["search", "--help"], ["data", "check", "--help"]],
)
def test_help_answers_at_once_and_imports_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys; from wordsight.cli.main import main; sys.argv[1:] = " + repr(arguments) + "\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "assert not {'torch', 'numpy', 'PIL', 'onnxruntime'} & set(sys.modules), 'imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_importing_wordsight_costs_nothing() -> None:
    code = "import sys, wordsight; assert not {'torch', 'numpy', 'rich', 'typer'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there() -> None:
    assert wordsight.__all__ == sorted(wordsight.__all__)
    for name in wordsight.__all__:
        assert getattr(wordsight, name) is not None
    assert set(wordsight.__all__) <= set(dir(wordsight))
    with pytest.raises(AttributeError, match="nothing"):
        _ = wordsight.nothing  # type: ignore[attr-defined]
