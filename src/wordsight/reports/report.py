"""Aligner report: one self-contained HTML page, without network access."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from wordsight.files import write_text
from wordsight.metrics.ranking import KS, chance
from wordsight.metrics.word_norms import magnitudes, norm_ratio
from wordsight.reports import panels, tables
from wordsight.reports.curves import curves
from wordsight.reports.examples import Search, Subject, groundings, lot, searches

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><nav><div>{links}</div></nav><main>{head}{body}
<footer>Written by wordsight. Everything on this page is in this one file.</footer></main></body></html>
"""
SAY = {
    "figures": "R@K: how often, in percent, a right answer is among the first K. Med r: the middle rank of the right "
    "answer, 1 is best.",
    "words": "Each word goes to the region that fits it best; training has no boxes of words. A box has the "
    "colour of its words, and the bar below a word is its strength; weak words and function words stay "
    "grey. Rest the mouse on a word to see its box alone. Chosen at random.",
    "search": "The first five pictures for a sentence, and where the model saw its words; with a green line, the one "
    "it was written about. Searches that went well, then ones that did not, at random.",
    "tell": "The first five sentences for a picture, and where the words of the first one went.",
    "grounding": "The box chosen for a marked phrase, in colour; the true boxes, dashed in white. Ones that overlap by "
    "an IoU of at least one half, then ones that do not, at random.",
    "lengths": "The mean length of a word's vector. Long ones move the score, short ones hardly count: the model found "
    "out by itself which words are seen.",
}


def write_report(subject: Subject, out: Path, *, scenes: int = 12, queries: int = 4, phrases: int = 6) -> Path:
    """Write the page.

    Args:
        subject: the model and the split.
        out: the HTML file; replaced atomically.
        scenes: sentences shown over their pictures.
        queries: right searches shown in each direction, and as many wrong ones.
        phrases: right groundings shown, and as many wrong ones.

    Returns:
        The file.

    Raises:
        InputError: it cannot be written.
    """
    texts, images = searches(subject, queries)
    parts = [
        ("figures", "Figures", _figures(subject)),
        ("words", "Which word went where", _scenes(subject, scenes)),
        ("search", "Pictures found by a sentence", _text_searches(subject, texts)),
        ("tell", "Sentences found by a picture", _image_searches(subject, images)),
        ("grounding", "Phrases on their boxes", _groundings(subject, phrases)),
        ("lengths", "Words that decide", _lengths(subject)),
        ("training", "Training", _training(subject)),
    ]
    write_text(out, page(subject.title, _head(subject), parts, SAY))
    return out


def page(title: str, head: str, parts: Sequence[tuple[str, str, str]], say: Mapping[str, str]) -> str:
    """A page from its parts.

    Args:
        title: in the browser.
        head: HTML that comes first.
        parts: key, heading and content, HTML; those without content are left out.
        say: notes below headings, by key.
    """
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name, content in parts if content)
    body = "".join(_section(key, name, content, say.get(key, "")) for key, name, content in parts if content)
    style = files("wordsight.reports").joinpath("page.css").read_text(encoding="utf-8") + _hover()
    return PAGE.format(title=escape(title), style=style, links=links, head=head, body=body)


def _section(key: str, name: str, content: str, say: str) -> str:
    told = f'<p class="say">{say}</p>' if say else ""
    return f'<section id="{key}"><h2>{name}</h2>{told}{content}</section>'


def _hover() -> str:
    """Style rules: hovering over a word or label shows only its box."""
    return "".join(
        f".scene:has(:is(.word, .tag)[data-b='{n}']:hover) :is(g, .tag):not([data-b='{n}']) {{ opacity: .06; }}\n"
        for n in range(8)
    )


def _head(subject: Subject) -> str:
    """The title and the main metrics, each with its chance level."""
    figures, luck = subject.figures, chance(subject.picture, len(subject.pictures))
    cards = [
        ("t2i_R@1", "sentence finds its picture first", luck["t2i_R@1"]),
        ("t2i_R@10", "its picture is among the first ten", luck["t2i_R@10"]),
        ("i2t_R@1", "picture finds a sentence of its own first", luck["i2t_R@1"]),
        ("grounding_pointing", "phrases pointed at rightly", figures.get("grounding_random_pointing")),
        ("grounding_iou", "phrases boxed rightly (IoU ≥ 0.5)", figures.get("grounding_random_iou")),
    ]
    shown = "".join(tables.card(figures[key], text, low) for key, text, low in cards if key in figures)
    size = f"{len(subject.pictures):,} pictures and {len(subject.sentences):,} sentences"
    say = f'<p class="say">Measured on {size}, each ranked among all the others.</p>'
    return f'<header><h1>{escape(subject.title)}</h1>{say}<div class="cards">{shown}</div></header>'


def _figures(subject: Subject) -> str:
    """Retrieval and grounding metrics beside references and chance."""
    rows = [("this model", subject.figures, "ours")]
    rows += [(name, row, "other") for name, row in subject.references.items()]
    rows.append(("chance", chance(subject.picture, len(subject.pictures)), "other"))
    return tables.retrieval(rows) + tables.grounding(subject.figures)


def _scenes(subject: Subject, count: int) -> str:
    """Sentences over their pictures."""
    spoken = [number for number, picture in enumerate(subject.pictures) if picture.sentences]
    views = []
    for place, number in enumerate(lot(spoken, count, seed=1)):
        said = subject.pictures[number].sentences
        views.append(panels.scene(subject, number, said[place % len(said)]))
    return f'<div class="grid">{"".join(views)}</div>' if views else ""


def _text_searches(subject: Subject, found: Sequence[Search]) -> str:
    return "".join(panels.text_search(subject, one) for one in found)


def _image_searches(subject: Subject, found: Sequence[Search]) -> str:
    views = "".join(panels.image_search(subject, one) for one in found)
    return f'<div class="two">{views}</div>' if views else ""


def _groundings(subject: Subject, count: int) -> str:
    by_name = {picture.name: picture for picture in subject.pictures}
    views = "".join(panels.grounded(by_name[one.phrase.picture], one) for one in groundings(subject, count))
    return f'<div class="grid">{views}</div>' if views else ""


def _lengths(subject: Subject, count: int = 40) -> str:
    """Words of the greatest and least norms; empty for a model whose vectors all have one length."""
    found = magnitudes(subject.model, subject.vocabulary, subject.sentences)
    ratio = norm_ratio(found, count)
    if ratio is None:
        return ""
    some, top = min(count, len(found) // 2), found[0].length
    longest, shortest = found[:some], found[::-1][:some]
    said = f'<p class="say">The {some} longest are {ratio:.1f} times as long as the {some} shortest.</p>'
    both = f"{tables.lengths('Longest', longest, top)}{tables.lengths('Shortest', shortest, top)}"
    return f'{said}<div class="two">{both}</div>'


def _training(subject: Subject) -> str:
    """Training curves, and the recipe."""
    ways = (("i2t", "→ text"), ("t2i", "→ picture"))
    recalls = {f"{way}_R@{k}": f"{name} R@{k}" for way, name in ways for k in KS}
    drawn = [
        curves(subject.history, {"loss": "loss"}, "loss"),
        curves(subject.history, recalls, "percent, on the split that chose the best"),
    ]
    return training(drawn, subject.recipe)


def training(drawn: Sequence[str], recipe: str) -> str:
    """Training curves, as from `curves`, and the recipe."""
    parts = "".join(f'<div class="card curves">{one}</div>' for one in drawn if one)
    plots = f'<div class="two">{parts}</div>' if parts else ""
    return plots + (f"<details><summary>The recipe</summary><pre>{escape(recipe)}</pre></details>" if recipe else "")
