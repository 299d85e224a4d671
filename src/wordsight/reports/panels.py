"""Picture panels of the report, as HTML. Every text from data is escaped here."""

import base64
import io
from collections.abc import Sequence
from html import escape

from PIL import Image

from wordsight.data.entities import Phrase
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.matching.alignment import Aligned, Box
from wordsight.reports.examples import Grounded, Search, Subject
from wordsight.reports.marks import Mark, marks, shares
from wordsight.text.tokens import tokenise
from wordsight.vision.images import open_image


def thumbnail(picture: Picture, side: int) -> tuple[str, float]:
    """A picture as an inline `<img>`, at most `side` pixels wide and high; and its aspect ratio, width over height."""
    try:
        image = open_image(picture.path)
    except InputError:
        return f'<p class="sub">{escape(picture.name)}: cannot be opened</p>', 1.0
    image.thumbnail((side, side))
    return inline(image, picture.name), image.width / image.height


def inline(image: Image.Image, name: str) -> str:
    """An inline `<img>`, with its bytes as a data URL."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=82)
    data = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="{escape(name)}" src="data:image/jpeg;base64,{data}">'


def boxed(picture: Picture, shown: Sequence[Mark], side: int = 420, truth: Sequence[Box] = ()) -> str:
    """A picture with boxes: marks in their colours with labels, true boxes dashed in white."""
    drawn = [_rect(box, "under") + _rect(box, "truth") for box in truth]
    labels = []
    for number, mark in enumerate(shown):
        label = escape(mark.label)
        group = f'<g data-b="{number}">{_rect(mark.box, "edge")}{_rect(mark.box, "line", mark.colour)}'
        drawn.append(f"{group}<title>{label}</title></g>")
        left, top = 100 * mark.at[0], 100 * mark.at[1]
        up = " up" if mark.at[1] < mark.box[1] else ""  # stands on top of its box
        top = 100 * mark.box[1] if up else top
        place = f"background:{mark.colour};left:{left:.1f}%;top:{top:.1f}%;max-width:{100 - left:.1f}%"
        labels.append(f'<span class="tag{up}" data-b="{number}" style="{place}">{label}</span>')
    image, shape = thumbnail(picture, side)
    lines = f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{"".join(drawn)}</svg>' if drawn else ""
    return f'<div class="pic" style="--shape:{shape:.4f}">{image}{lines}{"".join(labels)}</div>'


def _rect(box: Box, kind: str, colour: str = "") -> str:
    """A box in percent, slightly inset so that its outline is visible."""
    left, top, right, bottom = (min(max(100 * value, 0.6), 99.4) for value in box)
    stroke = f' stroke="{colour}"' if colour else ""
    size = f'x="{left:.2f}" y="{top:.2f}" width="{max(right - left, 0.2):.2f}" height="{max(bottom - top, 0.2):.2f}"'
    return f'<rect class="{kind}" {size}{stroke}/>'


def words(aligned: Aligned, shown: Sequence[Mark]) -> str:
    """The sentence, each word with a bar of its strength, in the colour of its box."""
    of_word = {position: (number, mark) for number, mark in enumerate(shown) for position in mark.words}
    parts = []
    strengths = zip(aligned.words, aligned.strengths, shares(aligned.strengths), strict=True)
    for position, (word, strength, share) in enumerate(strengths):
        number, mark = of_word.get(position, (-1, None))
        style = f' on" data-b="{number}" style="--c:{mark.colour}' if mark else ""
        bar = f'<div class="bar"><i style="width:{100 * share:.0f}%"></i></div>'
        parts.append(f'<span class="word{style}" title="strength {strength:.3g}">{escape(word)}{bar}</span>')
    return f'<div class="words">{"".join(parts)}</div>'


def scene(subject: Subject, picture: int, sentence: str) -> str:
    """A picture and one of its sentences, aligned."""
    aligned = subject.align(picture, sentence)
    shown = marks(aligned)
    view = boxed(subject.pictures[picture], shown)
    return f'<figure class="scene">{view}<figcaption>{words(aligned, shown)}</figcaption></figure>'


def text_search(subject: Subject, search: Search) -> str:
    """A sentence and the pictures it retrieved, each with its alignment."""
    sentence = subject.sentences[search.query]
    hits = [_hit(subject, number, sentence, place + 1, right, False) for place, (number, right) in _places(search)]
    if search.answer not in search.found:
        hits.append(_hit(subject, search.answer, sentence, search.rank, True, True))
    ask = f'<p class="ask"><b>“{escape(sentence)}”</b><em>{_verdict(search, len(subject.pictures))}</em></p>'
    return f'<div class="query">{ask}<div class="strip">{"".join(hits)}</div></div>'


def _places(search: Search) -> list[tuple[int, tuple[int, bool]]]:
    return list(enumerate(zip(search.found, search.right, strict=True)))


def _hit(subject: Subject, picture: int, sentence: str, rank: int, right: bool, late: bool) -> str:
    shown = marks(subject.align(picture, sentence), least=0.4, most=4)
    view = boxed(subject.pictures[picture], shown, side=300)
    note = f"{rank}." + (' <span class="ok">✓</span>' if right else "")
    colours = "".join(f'<span class="word on" style="--c:{mark.colour}">{escape(mark.label)}</span> ' for mark in shown)
    kind = " late" if late else " right" if right else ""
    return f'<figure class="hit{kind}">{view}<figcaption>{note} {colours}</figcaption></figure>'


def _verdict(search: Search, gallery: int) -> str:
    """The outcome, in words."""
    kind, text = ("ok", "found first") if search.rank == 1 else ("no", f"found at rank {search.rank:,}")
    return f'<span class="{kind}">{text}</span> of {gallery:,}'


def image_search(subject: Subject, search: Search) -> str:
    """A picture and the sentences it retrieved."""
    sentences, rows = subject.sentences, []
    for number, right in zip(search.found, search.right, strict=True):
        rows.append(f"<li><span>{escape(sentences[number])}</span>{_sign(right)}</li>")
    if search.answer not in search.found:
        own = f'{escape(sentences[search.answer])} <span class="sub">(its own, rank {search.rank:,})</span>'
        rows.append(f'<li class="late"><span>{own}</span><span class="ok">✓</span></li>')
    aligned = subject.align(search.query, sentences[search.found[0]])
    view = boxed(subject.pictures[search.query], marks(aligned, most=4))
    verdict = f'<p class="ask"><em>{_verdict(search, len(sentences))}</em></p>'
    answers = f'<div>{verdict}<ol class="said">{"".join(rows)}</ol></div>'
    return f'<div class="query"><div class="tell">{view}{answers}</div></div>'


def grounded(picture: Picture, found: Grounded) -> str:
    """A phrase on its picture: the model's box, and the true ones, dashed."""
    left, top, right, bottom = found.box
    x, y = (left + right) / 2, (top + bottom) / 2
    points = any(one[0] <= x <= one[2] and one[1] <= y <= one[3] for one in found.phrase.boxes)
    colour = "#2f9e44" if found.iou >= 0.5 else "#f58231" if points else "#e6194b"
    mark = Mark(found.box, colour, found.phrase.text, (), (min(left, 0.8), top - 0.09 if top >= 0.09 else top))
    view = boxed(picture, [mark], truth=found.phrase.boxes)
    note = f"{_sign(points)} points at it · {_sign(found.iou >= 0.5)} boxes it (IoU {found.iou:.2f})"
    note = f'<div class="sub">{note} · {escape(", ".join(found.phrase.kinds))}</div>'
    return f'<figure class="scene">{view}<figcaption>{_marked(found.phrase)}{note}</figcaption></figure>'


def _sign(right: bool) -> str:
    return '<span class="ok">✓</span>' if right else '<span class="no">✗</span>'


def _marked(phrase: Phrase) -> str:
    """The sentence with the phrase marked."""
    tokens = [escape(word) for word in tokenise(phrase.sentence)]
    before, inside, after = tokens[: phrase.start], tokens[phrase.start : phrase.end], tokens[phrase.end :]
    return " ".join([*before, f"<mark>{' '.join(inside)}</mark>", *after])
