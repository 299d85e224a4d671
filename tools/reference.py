"""The reference of the Python API, from its docstrings: `python tools/reference.py site`, or `make docs`."""

import pkgutil
import sys
from pathlib import Path

import pdoc

import wordsight


def main(out: Path) -> None:
    """Write a page for each module that has public names, and one with all that `import wordsight` offers."""
    for name in wordsight.__all__:
        setattr(wordsight, name, getattr(wordsight, name))  # they are loaded when they are first asked for
    rooms = [one.name for one in pkgutil.iter_modules(wordsight.__path__, "wordsight.")]
    pdoc.render.configure(docformat="google", search=True)
    pdoc.pdoc("wordsight", *rooms, output_directory=out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
