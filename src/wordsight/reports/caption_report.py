"""Captioner report: one page of captions of pictures and regions, beside the references."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from wordsight.captioning.captions import Caption, RegionCaption
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import write_text
from wordsight.matching.alignment import Aligned
from wordsight.reports.attention_maps import Attention, lit
from wordsight.reports.curves import curves
from wordsight.reports.marks import labelled, marks
from wordsight.reports.panels import boxed, inline
from wordsight.reports.panels import words as coloured
from wordsight.reports.report import page, training
from wordsight.vision.images import open_image

SAY = {
    "figures": "How near captions are to what people said of the same pictures, as coco-caption counts: BLEU, ROUGE-L "
    "and METEOR from 0 to 1, CIDEr from 0 to 10. Papers print 100 times these. Perplexity, 1 is best: among how many "
    "words, as it were, the model wavered at each word that people said.",
    "captions": "Chosen at random. On the right what the model says, best first, with its confidence: the "
    "geometric mean of the probabilities of the words. Below it what people said.",
    "regions": "What it says about regions of the first of these pictures. Of all proposals, the six with the "
    "surest snippets are shown, each snippet once, without any that overlaps a surer one by an IoU above one half. "
    "Training has no boxes of phrases. Rest the mouse on a snippet to see its box alone.",
    "words": "The first of these pictures again, with the best caption word by word. A captioner that attends shows "
    "where it looked before each word: light is what it looked at, and lightest what it looked at most. With an "
    "alignment, words stand in the colours of the boxes where that puts them.",
    "often": "Captions that it gave to more than one picture. A model that is not sure says what is often true.",
}
NAMES = {"CIDEr": "CIDEr", "Bleu_1": "BLEU-1", "Bleu_2": "BLEU-2", "Bleu_3": "BLEU-3", "Bleu_4": "BLEU-4"}
NAMES |= {"METEOR": "METEOR", "SPICE": "SPICE", "ROUGE_L": "ROUGE-L", "exact": "exact", "perplexity": "perplexity"}
VARIETY = {  # title and format of each metric
    "diversity_distinct_captions": ("different captions", "{:,}"),
    "diversity_vocabulary": ("different words in them", "{:,}"),
    "diversity_mean_length": ("words a caption", "{:.1f}"),
    "diversity_in_training": ("share that is word for word a training sentence", "{:.1%}"),
}

PANEL = 180  # width of a picture in pixels in "word by word"


@dataclass(frozen=True)
class Example:
    """A picture, its captions, best first, captions of its regions (if any), and the attention of words."""

    picture: Picture
    captions: Sequence[Caption]
    regions: Sequence[RegionCaption] = ()
    words: Attention | Aligned | None = None


@dataclass(frozen=True)
class CaptionSubject:
    """A captioner and the split of its evaluation.

    Attributes:
        title: of the page.
        figures: flat metrics, as `measure_captions` gives them.
        captions: the best one of every picture.
        examples: pictures to show.
        history: a record per evaluation of the training.
        recipe: the experiment, as text.
        of_regions: whether it is a captioner of regions.
    """

    title: str
    figures: Mapping[str, float | str]
    captions: Sequence[str]
    examples: Sequence[Example]
    history: Sequence[Mapping[str, float]] = ()
    recipe: str = ""
    of_regions: bool = False


def write_caption_report(subject: CaptionSubject, out: Path) -> Path:
    """Write the page.

    Args:
        subject: the captioner and the split.
        out: the HTML file; replaced atomically.

    Returns:
        The file.

    Raises:
        InputError: it cannot be written.
    """
    said = [
        ("captions", "What it says", captions(subject.examples)),
        ("regions", "Regions", regions(subject.examples)),
    ]
    parts = [
        ("figures", "Figures", _figures(subject.figures)),
        *(reversed(said) if subject.of_regions else said),
        ("words", "Word by word", words(subject.examples)),
        ("often", "Said more than once", _often(subject.captions)),
        ("training", "Training", _training(subject)),
    ]
    write_text(out, page(subject.title, _head(subject), parts, SAY))
    return out


def _head(subject: CaptionSubject) -> str:
    """The title and the main metrics."""
    figures = subject.figures
    before = "region_" if subject.of_regions and "regions" in figures else ""
    shown = [key for key in ("CIDEr", "Bleu_1", "Bleu_4", "METEOR", "perplexity") if before + key in figures]
    cards = "".join(
        f'<div class="card"><b>{_value(figures, key, before)}</b><span>{NAMES[key]}</span></div>' for key in shown
    )
    size = f"{figures['pictures']:,} pictures with {figures['sentences']:,} sentences that people wrote"
    say = f"Measured on {size}; decoded with a beam of {figures['beam']}."
    if subject.of_regions:
        say += " It learned to describe regions, and says of a whole picture what it would say of a region."
    if before:
        say += f" The figures here are of {figures['regions']:,} annotated regions."
    return f'<header><h1>{escape(subject.title)}</h1><p class="say">{say}</p><div class="cards">{cards}</div></header>'


def _figures(figures: Mapping[str, float | str]) -> str:
    """A table of metrics, also over annotated regions if measured, and diversity."""
    keys = [key for key in NAMES if key in figures]
    rows = [("whole pictures", "")]
    rows += [(f"{figures['regions']:,} annotated regions", "region_")] if "regions" in figures else []
    body = "".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{_value(figures, key, before)}</td>' for key in keys)}</tr>"
        for name, before in rows
    )
    heads = "".join(f"<th>{NAMES[key]}</th>" for key in keys)
    tokens = f'<p class="sub">Tokens: {escape(str(figures["tokeniser"]))}</p>'
    varied = "".join(
        f"<tr><td>{name}</td><td>{form.format(figures[key])}</td></tr>"
        for key, (name, form) in VARIETY.items()
        if key in figures
    )
    table = f'<div class="scroll"><table><tr><th></th>{heads}</tr>{body}</table></div>{tokens}'
    return f'{table}<h3>How varied</h3><div class="scroll"><table class="narrow">{varied}</table></div>'


def _value(figures: Mapping[str, float | str], key: str, before: str = "") -> str:
    """A metric as coco-caption prints it."""
    if before + key not in figures:
        return "–"
    return f"{float(figures[before + key]):.{2 if key == 'perplexity' else 3}f}"


def captions(examples: Sequence[Example]) -> str:
    """Pictures, each with its candidate captions and references, if any; HTML."""
    views = []
    for example in examples:
        said = "".join(
            f'<li><span>{_rated(one)}</span><span class="sub">{one.confidence:.2f}</span></li>'
            for one in example.captions
        )
        text = f'<ol class="said told">{said}</ol>'
        if people := "".join(f"<li>{escape(sentence)}</li>" for sentence in example.picture.sentences):
            text += f'<p class="ask"><em>people said</em></p><ul class="people">{people}</ul>'
        view = f'<div class="tell">{boxed(example.picture, ())}<div>{text}</div></div>'
        views.append(f'<div class="query">{view}</div>')
    return f'<div class="two">{"".join(views)}</div>' if views else ""


def _rated(one: Caption) -> str:
    """A caption with a bar for its confidence."""
    return f'{escape(one.text)}<div class="bar"><i style="width:{100 * one.confidence:.0f}%"></i></div>'


def regions(examples: Sequence[Example]) -> str:
    """Pictures with their regions, each in the colour of its caption; HTML."""
    views = []
    for example in examples:
        if not example.regions:
            continue
        shown = labelled((one.box, one.text, (number,)) for number, one in enumerate(example.regions))
        rated = "".join(
            f'<span class="word on" data-b="{number}" style="--c:{mark.colour}">{_rated(one)}</span>'
            for number, (mark, one) in enumerate(zip(shown, example.regions, strict=True))
        )
        view = f'{boxed(example.picture, shown)}<figcaption><div class="words">{rated}</div></figcaption>'
        views.append(f'<figure class="scene">{view}</figure>')
    return f'<div class="grid">{"".join(views)}</div>' if views else ""


def words(examples: Sequence[Example]) -> str:
    """What each word of a caption is about: its attention, or the box of an alignment; HTML."""
    looked, aligned = [], []
    for example in examples:
        if isinstance(example.words, Attention):
            looked.append(
                f'<div class="query"><div class="strip">{_panels(example.picture, example.words)}</div></div>'
            )
        elif example.words:
            shown = marks(example.words)
            text = f"<figcaption>{coloured(example.words, shown)}</figcaption>"
            aligned.append(f'<figure class="scene">{boxed(example.picture, shown)}{text}</figure>')
    return "".join(looked) + (f'<div class="grid">{"".join(aligned)}</div>' if aligned else "")


def _panels(picture: Picture, attention: Attention) -> str:
    """A panel per word."""
    try:
        panels = lit(open_image(picture.path), attention, PANEL)
    except InputError:
        return f'<p class="sub">{escape(picture.name)}: cannot be opened</p>'
    return "".join(
        f'<figure class="hit"><div class="pic" style="--shape:{panel.width / panel.height:.4f}">'
        f"{inline(panel, picture.name)}</div><figcaption>{escape(word)}</figcaption></figure>"
        for panel, word in zip(panels, attention.words, strict=True)
    )


def _often(captions: Sequence[str], most: int = 15) -> str:
    """The most frequent captions."""
    rows = [(text, count) for text, count in Counter(captions).most_common(most) if count > 1]
    if not rows:
        return ""
    body = "".join(f"<tr><td>{escape(text)}</td><td>{count:,}</td></tr>" for text, count in rows)
    heads = f"<tr><th>caption</th><th>of {len(captions):,} pictures</th></tr>"
    return f'<div class="scroll"><table class="narrow">{heads}{body}</table></div>'


def _training(subject: CaptionSubject) -> str:
    """Training curves, and the recipe."""
    drawn = [
        curves(subject.history, {"loss": "loss"}, "loss"),
        curves(subject.history, {"perplexity": "perplexity"}, "perplexity, on the split that chose the best"),
        curves(subject.history, {"CIDEr": "CIDEr", "Bleu_4": "BLEU-4"}, "greedy captions of that split"),
    ]
    return training(drawn, subject.recipe)
