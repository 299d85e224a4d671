"""Make the documentation site: `python tools/reference.py site`, or `make docs`.

It has the pages of `docs/`, the README, and the reference of the Python API from its docstrings. Neither making nor
reading it needs a network.
"""

import pkgutil
import re
import shutil
import sys
from pathlib import Path

import markdown2  # type: ignore[import-untyped, import-not-found, unused-ignore]
import pdoc

import wordsight

ROOT = Path(__file__).resolve().parents[1]
PAGES = {  # title in the menu -> its source
    "wordsight": ROOT / "README.md",
    "Tutorial": ROOT / "docs/tutorial.md",
    "Guide": ROOT / "docs/guide.md",
    "How it works": ROOT / "docs/how-it-works.md",
    "Results": ROOT / "docs/results.md",
    "Extending": ROOT / "docs/extending.md",
    "Contributing": ROOT / "CONTRIBUTING.md",
    "Changes": ROOT / "CHANGELOG.md",
}
EXTRAS = ["fenced-code-blocks", "tables", "header-ids", "strike", "cuddled-lists"]
STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1.5rem 4rem; font: 1rem/1.55 system-ui, sans-serif; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: .6rem 0 1rem; border-bottom: 1px solid #8886; }
nav a[aria-current] { font-weight: 600; text-decoration: none; color: inherit; }
pre { overflow-x: auto; padding: .8rem 1rem; background: #8881; border-radius: 8px; }
code { font-size: .92em; }
.table { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { border-top: 1px solid #8885; padding: .3rem .6rem; text-align: left; vertical-align: top; }
img { max-width: 100%; }
"""


def main(out: Path) -> None:
    """Write the pages, and API pages: one per module with public names, and one for all that `wordsight` offers."""
    for name in wordsight.__all__:
        setattr(wordsight, name, getattr(wordsight, name))  # they are imported lazily, on first use
    rooms = [one.name for one in pkgutil.iter_modules(wordsight.__path__, "wordsight.")]
    pdoc.render.configure(docformat="google", search=True)
    pdoc.pdoc("wordsight", *rooms, output_directory=out / "api")
    for title, source in PAGES.items():
        (out / address(source)).write_text(page(title, source), encoding="utf-8")
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copy(picture, out)


def address(source: Path) -> str:
    """The file name of a source's page."""
    return "index.html" if source == ROOT / "README.md" else f"{source.stem.lower()}.html"


def page(title: str, source: Path) -> str:
    """A source as HTML, with a menu; links to sources lead to their pages, links to code to the repository."""
    body = markdown2.markdown(source.read_text(encoding="utf-8"), extras=EXTRAS)
    body = re.sub(r'(href|src)="([^"]+)"', lambda found: f'{found[1]}="{_link(found[2], source)}"', body)
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    menu = [_entry(name, address(one), name == title) for name, one in PAGES.items()]
    menu.append(_entry("Python reference", "api/wordsight.html", False))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = f"<nav>{''.join(menu)}</nav>{body}"
    return f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>"


def _entry(name: str, target: str, here: bool) -> str:
    return f'<a href="{target}"{" aria-current=page" if here else ""}>{name}</a>'


def _link(target: str, source: Path) -> str:
    """The target on the site of a link in a source."""
    path, mark, part = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return target
    found = (source.parent / path).resolve()
    if found in PAGES.values():
        return address(found) + mark + part
    if found.suffix == ".png":
        return found.name
    return f"https://github.com/wordsight/wordsight/blob/main/{found.relative_to(ROOT).as_posix()}{mark}{part}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
