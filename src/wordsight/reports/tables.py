"""Tables of metrics in the report, as HTML: cards, tables with chance levels, bars."""

from collections.abc import Mapping, Sequence
from html import escape

from wordsight.metrics.word_norms import Magnitude

RECALLS = tuple(f"{way}_{key}" for way in ("i2t", "t2i") for key in ("R@1", "R@5", "R@10", "medr"))
ROWS = {  # prefix of the last word of a metric's key: a short name, and what it is
    "": ("model", "this model"),
    "middle_": ("middle", "the middle of this model's boxes"),
    "untrained_": ("untrained", "no training: the detection whose class name is nearest to a word of the phrase"),
    "random_": ("random", "any proposal, expected"),
    "centre_": ("centre", "the point in the picture's middle"),
    "whole_": ("whole", "the whole picture"),
    "best_": ("best box", "the best of the proposals: no choice can do better"),
}
RECALL_LEGEND = (
    "R@K (recall): % of searches with a right answer among the first K.  Med r: median rank of the first right answer."
)
GROUNDING_COLUMNS = {"pointing": "pointing", "iou": "IoU >= 0.5, R@1", "R@5": "R@5", "R@10": "R@10"}
GROUNDING_LEGEND = (
    "pointing: % of phrases whose point is on the thing.  IoU: overlap of the box with the true one; 1 is the same box."
    "  R@K: one of the first K boxes has an IoU of at least 0.5."
)
CAPTION_LEGEND = (
    "BLEU, METEOR, ROUGE-L, CIDEr: agreement with people's captions; more is better.  perplexity: less is better."
)
Row = tuple[str, Mapping[str, float], str]  # its name, figures, and class in the style sheet


def card(value: float, text: str, luck: float | None) -> str:
    """A card of a metric in percent, with a bar, and a line at chance level."""
    line = f'<u style="left:{luck:.1f}%"></u>' if luck is not None else ""
    note = f" · chance {luck:.1f}" if luck is not None else ""
    bar = f'<div class="bar"><i style="width:{value:.1f}%"></i>{line}</div>'
    return f'<div class="card"><b>{value:.1f}<small> %</small></b>{bar}<span>{escape(text)}{note}</span></div>'


def retrieval(rows: Sequence[Row]) -> str:
    """R@K and Med r in both directions, one table row for each of `rows`."""
    heads = "".join(_head(name, name, name == "R@1") for name in ("R@1", "R@5", "R@10", "Med r") * 2)
    body = []
    for name, figures, kind in rows:
        cells = "".join(_cell(figures.get(key), "split" if key.endswith("R@1") else "") for key in RECALLS)
        body.append(f'<tr class="{kind}"><td>{escape(name)}</td>{cells}</tr>')
    ways = _ways([("picture → sentences", 4), ("sentence → pictures", 4)])
    return _table(f"{ways}<tr><th></th>{heads}</tr>{''.join(body)}")


def grounding(figures: Mapping[str, float]) -> str:
    """Grounding by kind of phrase, with baselines, grouped by metric; empty if not measured."""
    if "grounding_phrases" not in figures:
        return ""
    names = [key.removeprefix("grounding_").removesuffix("phrases") for key in figures if key.endswith("_phrases")]
    kinds = sorted((name for name in names if name), key=lambda kind: -figures[f"grounding_{kind}phrases"])
    columns = {column: [row for row in ROWS if f"grounding_{row}{column}" in figures] for column in GROUNDING_COLUMNS}
    heads = "".join(_head(*ROWS[row], not row) for rows in columns.values() for row in rows)
    body = ""
    for kind in ["", *kinds] if len(kinds) > 1 else [""]:
        cells = "".join(
            _cell(figures.get(f"grounding_{kind}{row}{column}"), "" if row else "split model")
            for column, rows in columns.items()
            for row in rows
        )
        name, count = escape(kind.rstrip("_")) or "<b>all phrases</b>", figures[f"grounding_{kind}phrases"]
        body += f'<tr><td>{name} <span class="sub">{count:,.0f}</span></td>{cells}</tr>'
    ways = {
        "pointing": "points at it, %",
        "iou": "boxes it (IoU ≥ 0.5), %",
        "R@5": "in 5, %",
        "R@10": "in 10, %",
    }
    over = _ways([(ways[column], len(rows)) for column, rows in columns.items() if rows])
    return f"<h3>Phrases</h3>{_table(f'{over}<tr><th></th>{heads}</tr>{body}')}"


def lengths(title: str, words: Sequence[Magnitude], top: float) -> str:
    """Words with their norms as bars; `top` is that of the longest bar."""
    rows = "".join(
        f'<div><span title="seen {one.seen:,} times">{escape(one.word)}</span>'
        f'<div class="bar"><i style="width:{100 * one.length / top:.1f}%"></i></div><span>{one.length:.3g}</span></div>'
        for one in words
    )
    return f'<div><h3>{escape(title)}</h3><div class="lengths">{rows}</div></div>'


def _table(rows: str) -> str:
    return f'<div class="scroll"><table>{rows}</table></div>'


def _ways(spans: Sequence[tuple[str, int]]) -> str:
    """A header row that spans several columns each."""
    heads = "".join(f'<th class="split over" colspan="{span}">{escape(name)}</th>' for name, span in spans)
    return f"<tr><th></th>{heads}</tr>"


def _head(name: str, what: str, split: bool) -> str:
    kind = ' class="split"' if split else ""
    return f'<th{kind} title="{escape(what)}">{escape(name)}</th>'


def _cell(value: float | None, kind: str) -> str:
    """A table cell; behind a metric of the model is a bar of its size."""
    style = f' style="--v:{min(max(value, 0.0), 100.0):.1f}%"' if value is not None and "model" in kind else ""
    return f'<td class="{kind}"{style}>{"–" if value is None else f"{value:,.1f}"}</td>'
