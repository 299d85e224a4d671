"""Report of a model of situations: one self-contained HTML page, without network access."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from wordsight.data.records import Picture
from wordsight.files import write_text
from wordsight.metrics.situations import COLUMNS
from wordsight.reports import panels, tables
from wordsight.reports.curves import curves
from wordsight.reports.report import page, training

SAY = {
    "figures": "Verb: pictures whose verb is right. Value: roles that any annotator filled so. All: pictures with all "
    "roles so. Top-1 and top-5: where the verb is the first, or among the first five. Gold: of the true verb. As "
    "imSitu's script counts, the mean over the pictures of each verb, then over verbs; below that the plain mean.",
    "pictures": "Chosen at random. First what the model says, then what people say.",
}


@dataclass(frozen=True)
class Shown:
    """A picture, what people say of it, and what a model says."""

    picture: Picture
    said: str


def write_situation_report(
    title: str,
    figures: Mapping[str, float],
    shown: Sequence[Shown],
    history: Sequence[Mapping[str, float]],
    recipe: str,
    out: Path,
) -> Path:
    """Write the page.

    Args:
        title: which model on which split.
        figures: as of `measure_situations`.
        shown: some pictures.
        history: a record per evaluation of the training.
        recipe: of the training, TOML.
        out: the HTML file; replaced atomically.

    Raises:
        InputError: it cannot be written.
    """
    cards = [
        ("verb_top1", "the verb is right", figures.get("frequent_verb_top1")),
        ("value_gold", "a role's noun is right, the verb given", None),
        ("mean", "mean of the eight figures", None),
        ("grounded_iou", "boxes of right nouns are right (IoU ≥ 0.5)", None),
    ]
    heads = "".join(tables.card(figures[key], text, low) for key, text, low in cards if key in figures)
    say = f'<p class="say">Measured on {figures["pictures"]:,.0f} pictures of {figures["verbs"]:,.0f} verbs.</p>'
    head = f'<header><h1>{escape(title)}</h1>{say}<div class="cards">{heads}</div></header>'
    columns = {key: key.replace("_", " ") for key in ("verb_top1", "value_gold", "mean")}
    drawn = [curves(history, {"loss": "loss"}, "loss"), curves(history, columns, "percent, on the val split")]
    parts = [
        ("figures", "Figures", _figures(figures)),
        ("pictures", "Pictures", f'<div class="grid">{"".join(map(_scene, shown))}</div>'),
        ("training", "Training", training(drawn, recipe)),
    ]
    write_text(out, page(title, head, parts, SAY))
    return out


def _figures(figures: Mapping[str, float]) -> str:
    keys = (*COLUMNS, "mean")
    heads = "".join(f"<th>{key.replace('_', ' ')}</th>" for key in keys)
    rows = "".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{figures[prefix + key]:.1f}</td>' for key in keys)}</tr>"
        for name, prefix in (("mean of verbs", ""), ("mean of pictures", "image_"))
    )
    return f'<div class="scroll"><table><tr><th></th>{heads}</tr>{rows}</table></div>'


def _scene(one: Shown) -> str:
    image, shape = panels.thumbnail(one.picture, 420)
    people = "".join(f"<li>{escape(sentence)}</li>" for sentence in one.picture.sentences)
    view = f'<div class="pic" style="--shape:{shape:.4f}">{image}</div>'
    return f'<div class="card">{view}<pre>{escape(one.said)}</pre><ul class="people">{people}</ul></div>'
