"""HTML pages of a comparison: an overview, and a page per picture with every system's output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from wordsight.comparison import tables
from wordsight.comparison.bootstrap import Difference
from wordsight.comparison.outcomes import LEADING
from wordsight.comparison.plot import Series, plot
from wordsight.comparison.rows import Row
from wordsight.data.records import Picture
from wordsight.files import write_text
from wordsight.reports.panels import thumbnail
from wordsight.reports.report import page

SAY = {
    "ranking": "Each picture is ranked among all sentences (i2t) and each sentence among all pictures (t2i). R@K: how "
    "often, in percent, a right answer is among the first K. Med r: the middle rank of the right answer. Published "
    "figures are of the test split and of other features.",
    "captions": "BLEU, ROUGE-L and CIDEr as coco-caption counts them, times 100. Published figures are of the test "
    "split, of other features and partly of other scripts.",
    "situations": "As imSitu's script counts: verb, value (the share of right roles) and all (all roles right), where "
    "the verb is the first, is among the first five, or is given; mean of the eight. In percent, the mean over the "
    "pictures of each verb, then over verbs.",
    "pictures": "Chosen at random.",
}
SAY_GROUNDING = (
    "Phrases, as Flickr30k Entities measures them: percent whose point lies in a true box, and whose first box, or one "
    "of the first 5 or 10, overlaps the box around all true ones by an IoU of at least 0.5. Upper bound: any of the "
    "run's proposals; chance: a proposal at random."
)
SAY_PICTURE = {
    "said": "CIDEr of this picture alone, times 100.",
    "situations": "Value: the share of roles that any annotator filled so, in percent, where the verb is right.",
    "found": "The first sentences for this picture, ✓ those of its own; at which rank the first of its own comes; and "
    "for each of its own, in the order above, at which rank this picture comes.",
}
COSTS = (
    "Over minutes: after each epoch, as training saw it, captions greedy; the tables have the epoch that was kept, "
    "captions by beam."
)
BETWEEN = (
    "A row less a column, in {figure}. In brackets: what the choice of pictures may have made, by 20,000 paired "
    "bootstrap draws at 5 %, corrected for the number of pairs (Holm)."
)


@dataclass(frozen=True)
class Shown:
    """The contents of the pages.

    Attributes:
        title: of the overview.
        about: a sentence on data, gallery, machine and date.
        rows: aligners, then captioners, then situations.
        differences: of each kind ("ranking", "captions", "situations"), by metric.
        pictures: I, the gallery.
        chosen: indices of those that have a page.
    """

    title: str
    about: str
    rows: Sequence[Row]
    differences: Mapping[str, Mapping[str, list[list[Difference]]]]
    pictures: Sequence[Picture]
    chosen: Sequence[int]

    def kind(self, name: str) -> list[Row]:
        """The rows of a kind."""
        return [row for row in self.rows if row.kind == name]


def write_pages(shown: Shown, out: Path) -> Path:
    """Write `index.html` and `pictures/*.html` into a folder.

    Returns:
        The overview.

    Raises:
        InputError: it cannot be written.
    """
    for place, number in enumerate(shown.chosen):
        write_text(out / "pictures" / _file(number), _picture(shown, place))
    parts = [(name, heading, _kind(shown, name)) for name, heading in KINDS.items() if shown.kind(name)]
    parts.append(("pictures", "The same picture", _thumbnails(shown)))
    head = f'<header><h1>{escape(shown.title)}</h1><p class="say">{escape(shown.about)}</p></header>'
    write_text(out / "index.html", page(shown.title, head, parts, SAY))
    return out / "index.html"


KINDS = {"ranking": "Ranking", "captions": "Captions", "situations": "Situations"}
UNITS = {"rsum": ("the sum of recalls", 1.0), "CIDEr": ("CIDEr", 100.0), "Bleu_4": ("BLEU-4", 100.0)}
UNITS |= {"grounding_pointing": ("pointing", 100.0), "grounding_iou": ("IoU accuracy", 100.0)}
UNITS |= {"mean": ("the mean of the eight figures", 100.0), "value_top1": ("value, top-1 verb", 100.0)}
UNITS |= {"all_top1": ("value-all, top-1 verb", 100.0)}
PERCENT = ("rsum", "mean")  # figures that are percentages as they are


def _kind(shown: Shown, name: str) -> str:
    """Table, differences and curves of the rows of one kind."""
    rows = shown.kind(name)
    parts = [tables.systems(rows).html()]
    if (grounded := tables.grounding(rows)) is not None:
        parts += [f'<p class="say">{escape(SAY_GROUNDING)}</p>', grounded.html()]
    if len(rows) > 1:
        for figure, found in shown.differences[name].items():
            what, times = UNITS[figure]
            parts.append(f"<h3>What is real: {escape(what)}</h3>")
            parts.append(f'<p class="say">{escape(BETWEEN.format(figure=what))}</p>')
            parts.append(tables.between(rows, found, times).html())
    figure = LEADING[name]
    what, times = UNITS[figure][0], 1.0 if figure in PERCENT else UNITS[figure][1]
    drawn = (
        plot(_learning(rows, figure, times), "minutes of training", what),
        plot([(row.name, [(row.parameters, times * row.leading)]) for row in rows], "parameters", what, ratio=True),
        plot([(row.name, [(row.speed, times * row.leading)]) for row in rows], "pictures a second", what, ratio=True),
    )
    cards = "".join(f'<div class="card curves">{one}</div>' for one in drawn if one)
    return f'{"".join(parts)}<h3>What it costs</h3><p class="say">{COSTS}</p><div class="two">{cards}</div>'


def _learning(rows: Sequence[Row], figure: str, times: float) -> Series:
    """Learning curves: the validation metric over minutes of training, of each row's first member."""
    series = []
    for row in rows:
        history = row.members[0].metrics.get("history", ())
        points = [(record["seconds"] / 60, times * record[figure]) for record in history if figure in record]
        series.append((row.name, points))
    return series


def _file(number: int) -> str:
    return f"{number:05}.html"


def _thumbnails(shown: Shown) -> str:
    views = []
    for number in shown.chosen:
        image, shape = thumbnail(shown.pictures[number], 300)
        pic = f'<div class="pic" style="--shape:{shape:.4f}">{image}</div>'
        views.append(f'<figure class="hit"><a href="pictures/{_file(number)}">{pic}</a></figure>')
    return f'<div class="strip">{"".join(views)}</div>'


def _picture(shown: Shown, place: int) -> str:
    """The page of a picture: its sentences, each captioner's caption, each aligner's first sentences."""
    number = shown.chosen[place]
    picture = shown.pictures[number]
    image, shape = thumbnail(picture, 720)
    people = "".join(f"<li>{escape(sentence)}</li>" for sentence in picture.sentences)
    view = f'<div class="pic" style="--shape:{shape:.4f}">{image}</div>'
    own = f'<p class="ask"><em>people said</em></p><ul class="people">{people}</ul>'
    steps = [("← before", place - 1), ("after →", place + 1)]
    around = " · ".join(
        f'<a href="{_file(shown.chosen[there])}">{text}</a>' for text, there in steps if 0 <= there < len(shown.chosen)
    )
    head = (
        f'<header><p class="sub"><a href="../index.html">{escape(shown.title)}</a> · {around}</p>'
        f"<h1>{escape(picture.name)}</h1></header>"
        f'<div class="query"><div class="tell">{view}<div>{own}</div></div></div>'
    )
    parts = [
        ("situations", "What each recognises", _situations(shown.kind("situations"), number)),
        ("said", "What each says", _said(shown.kind("captions"), number)),
        ("found", "What each finds first", _found(shown, number)),
    ]
    return page(picture.name, head, parts, SAY_PICTURE)


def _said(rows: Sequence[Row], number: int) -> str:
    lines = "".join(
        f'<tr><td>{escape(row.name)}</td><td class="text">{escape(row.members[0].outcome.captions[number])}</td>'
        f"<td>{100 * row.members[0].outcome.cider[number]:.0f}</td></tr>"
        for row in rows
    )
    heads = '<tr><th>run</th><th class="text">caption</th><th>CIDEr</th></tr>'
    return f'<div class="scroll"><table class="narrow">{heads}{lines}</table></div>' if lines else ""


def _situations(rows: Sequence[Row], number: int) -> str:
    lines = "".join(
        f'<tr><td>{escape(row.name)}</td><td class="text">{escape(row.members[0].outcome.captions[number])}</td>'
        f"<td>{100 * row.members[0].outcome.terms[number][1]:.0f}</td></tr>"
        for row in rows
    )
    heads = '<tr><th>run</th><th class="text">situation</th><th>value</th></tr>'
    return f'<div class="scroll"><table class="narrow">{heads}{lines}</table></div>' if lines else ""


def _found(shown: Shown, number: int) -> str:
    """Each aligner's first sentences, whether they are right, and the rank of the first right one."""
    owner = [row for row, picture in enumerate(shown.pictures) for _ in picture.sentences]
    sentences = [sentence for picture in shown.pictures for sentence in picture.sentences]
    lines = []
    for row in shown.kind("ranking"):
        outcome = row.members[0].outcome
        first = "<br>".join(f"{_sign(owner[one] == number)} {escape(sentences[one])}" for one in outcome.found[number])
        own = [rank for rank, whose in zip(outcome.texts, owner, strict=True) if whose == number]
        ranks = ", ".join(f"{rank:,}" for rank in own)
        lines.append(
            f'<tr><td>{escape(row.name)}</td><td class="text">{first}</td>'
            f"<td>{outcome.images[number]:,}</td><td>{ranks}</td></tr>"
        )
    heads = (
        '<tr><th>run</th><th class="text">first sentences</th>'
        "<th>rank of the first of its own</th><th>its rank for each of its own</th></tr>"
    )
    return f'<div class="scroll"><table class="narrow">{heads}{"".join(lines)}</table></div>' if lines else ""


def _sign(right: bool) -> str:
    return '<span class="ok">✓</span>' if right else '<span class="no">✗</span>'
