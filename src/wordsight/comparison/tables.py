"""Tables of a comparison, as cells for Markdown and HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from wordsight.comparison.bootstrap import Difference
from wordsight.comparison.rows import BLEUS, RECALLS, Row
from wordsight.metrics.situations import COLUMNS

TEXTS = frozenset(("system", "published (test)", "features"))  # headers of columns without numbers
SITUATIONS = {key: key.replace("_", " ") for key in (*COLUMNS, "mean")}
GROUNDING = {"pointing": "pointing", "middle_pointing": "middle of the box", "iou": "R@1", "R@5": "R@5", "R@10": "R@10"}
GROUNDING |= {"best_iou": "upper bound", "random_iou": "chance R@1", "random_R@10": "chance R@10"}
CAPTIONS = {key: key.replace("Bleu_", "BLEU-") for key in BLEUS} | {"ROUGE_L": "ROUGE-L", "CIDEr": "CIDEr"}


@dataclass(frozen=True)
class Table:
    """Headers and cells of text; the first column has names."""

    heads: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table in Markdown, as in docs/results.md."""
        lines = [self.heads, tuple("---" for _ in self.heads), *self.cells]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

    def html(self) -> str:
        """The table in HTML."""
        kinds = [' class="text"' if head in TEXTS else "" for head in self.heads]
        lines = [("th", self.heads), *(("td", line) for line in self.cells)]
        rows = "".join(f"<tr>{''.join(_cells(tag, kinds, line))}</tr>" for tag, line in lines)
        return f'<div class="scroll"><table class="compact">{rows}</table></div>'


def _cells(tag: str, kinds: Sequence[str], texts: Sequence[str]) -> Iterator[str]:
    return (f"<{tag}{kind}>{escape(text)}</{tag}>" for kind, text in zip(kinds, texts, strict=True))


def systems(rows: Sequence[Row]) -> Table:
    """Metrics of rows of one kind, with the standard deviation over seeds after ±."""
    heads = ("run", "system", *_heads(rows[0].kind))
    heads += ("minutes", "parameters", "pictures/s", "seeds", "published (test)", "features")
    return Table(heads, tuple(_system(row) for row in rows))


def grounding(rows: Sequence[Row]) -> Table | None:
    """Grounding of rows; None where it was not measured."""
    some = [row for row in rows if "grounding_phrases" in row.members[0].outcome.figures]
    if not some:
        return None
    cells = tuple(
        (row.name, *(_figure(row, f"grounding_{key}", 1) if row.has(f"grounding_{key}") else "–" for key in GROUNDING))
        for row in sorted(some, key=lambda row: -row.figure("grounding_iou"))
    )
    return Table(("run", *GROUNDING.values()), cells)


def _heads(kind: str) -> tuple[str, ...]:
    if kind == "ranking":
        return ("i2t R@1", "R@5", "R@10", "Med r", "t2i R@1", "R@5", "R@10", "Med r", "sum")
    return tuple((CAPTIONS if kind == "captions" else SITUATIONS).values())


def _system(row: Row) -> tuple[str, ...]:
    known = row.published
    reported = f"{known}{f' ({known.note})' if known.note else ''}" if known else ""
    if row.kind == "situations":
        figures = tuple(_figure(row, key, 1) for key in SITUATIONS)
    elif row.kind == "ranking":
        keys = (*RECALLS[:3], "i2t_medr", *RECALLS[3:], "t2i_medr", "rsum")
        figures = tuple(_figure(row, key, 1) for key in keys)
    else:
        figures = tuple(_figure(row, key, 100) for key in CAPTIONS)
    seeds = ", ".join(map(str, row.seeds))
    return (
        row.name,
        row.system,
        *figures,
        f"{row.minutes:.0f}",
        f"{row.parameters / 1e6:.1f} M",
        f"{row.speed:,.0f}",
        seeds,
        reported.strip() or "–",
        row.features,
    )


def _figure(row: Row, key: str, times: float) -> str:
    deviation = f" ± {times * row.deviation(key):.1f}" if len(row.members) > 1 else ""
    return f"{times * row.figure(key):.1f}{deviation}"


def between(rows: Sequence[Row], found: Sequence[Sequence[Difference]], times: float) -> Table:
    """Differences of each row to each row below it; insignificant ones in brackets."""
    names = [row.name for row in rows]
    lines = []
    for number, name in enumerate(names[:-1]):
        cells = [_difference(one, times) if other > number else "" for other, one in enumerate(found[number])]
        lines.append((name, *cells[1:]))
    return Table(("less", *names[1:]), tuple(lines))


def _difference(one: Difference, times: float) -> str:
    text = f"{times * one.value:+.1f}"
    return text if one.real else f"({text})"
