"""Photographs demo: real photographs, seen by the bundled model."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from wordsight.bundled import in_the_box
from wordsight.captioning.captions import RegionCaption
from wordsight.data.pictures import picture_files
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import write_text
from wordsight.matching.segments import BETA
from wordsight.progress import Progress
from wordsight.reports.caption_report import Example, captions, regions, words
from wordsight.reports.panels import inline
from wordsight.reports.report import page
from wordsight.runs.aligner import load
from wordsight.runs.caption_files import caption_files
from wordsight.runs.captioner import load_captioner
from wordsight.search.contact_sheet import sheet
from wordsight.search.identity import discard, is_ours
from wordsight.search.index import Index
from wordsight.vision.images import reopened

SAMPLES = {  # photographs that come with scikit-image: a sentence to search for
    "astronaut.png": "a woman in an orange suit",
    "camera.png": "a man with a camera",
    "chelsea.png": "a cat",
    "coffee.png": "a cup of coffee",
    "motorcycle_left.png": "a motorcycle",
    "rocket.jpg": "a rocket in the sky",
}
MOST = 24  # pictures on the page
SEARCHES, HITS = 6, 4
SAY = {
    "captions": "What the model says of each picture, with its confidence: the geometric mean of the probabilities of "
    "the words. It is what is likely to be said of such a picture, right or wrong.",
    "words": "The same captions, each word in the colour of the box where the aligner puts it; the bar below a word "
    "is its strength. Rest the mouse on a word to see its box alone.",
    "regions": "What it says of single regions, the surest and most different.",
    "searches": "The first pictures for a sentence, and which box matched which words.",
}


def photographs(folder: Path | None = None) -> dict[Path, str]:
    """Photographs to show.

    Args:
        folder: whose pictures to take; None for those that come with scikit-image, where it is installed.

    Returns:
        Path -> a sentence to search for; empty if none is known.

    Raises:
        InputError: there is no such folder, or it has no picture.
    """
    if folder is not None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder, expected one with photographs.")
        readable = (path for path in picture_files([folder]) if reopened(path))
        if not (chosen := list(islice(readable, MOST))):
            raise InputError(f"{folder}: no picture in it can be read; expected photographs.")
        return dict.fromkeys(chosen, "")
    found = find_spec("skimage")
    samples = Path(found.origin).parent / "data" if found and found.origin else Path()
    return {samples / name: sentence for name, sentence in SAMPLES.items() if found and (samples / name).exists()}


def show_photographs(photos: Mapping[Path, str], out: Path, progress: Progress | None = None) -> str:
    """Describe, align, index and search photographs with the bundled model.

    Args:
        photos: path -> the sentence to search for; empty to search for the model's own caption.
        out: the folder for the page (`report.html`) and the `index`.
        progress: receives updates; None prints to stderr.

    Returns:
        The captions and where to look, as text; empty, with a message on stderr, if there is no bundled model or no
        photograph.

    Raises:
        InputError: none of the files can be read, or the folder cannot be written.
    """
    progress = progress or Progress()
    try:
        models = {part: in_the_box(part) for part in ("align", "captions", "regions")}
    except InputError as error:
        progress.say(f"photographs: left out. {error}")
        return ""
    if not photos:
        progress.say("photographs: left out. There are none here; name a folder with --photos FOLDER.")
        return ""
    progress.say(f"looking at {len(photos)} photographs")
    told = caption_files(load_captioner(models["captions"]), list(photos), progress=progress).captions
    parts = caption_files(load_captioner(models["regions"]), list(told), regions=True, progress=progress).captions
    aligner = load(models["align"])
    index = _index(list(told), out / "index", progress)
    asked = [photos[path] or said[0].text for path, said in told.items()]
    examples = [
        Example(
            picture=Picture(path.name, path, "", ()),
            captions=said,
            regions=[one for one in parts.get(path, ()) if isinstance(one, RegionCaption)],
            words=aligner.align(path, said[0].text, beta=BETA),
        )
        for path, said in told.items()
    ]
    _page(examples, index, asked[:SEARCHES], out / "report.html")
    lines = [f"  {path.name:20}  {said[0].answer}" for path, said in told.items()]
    return "\n".join(
        [
            "Photographs, in the words of the bundled model:",
            *lines,
            "",
            f"Look at   {out / 'report.html'}",
            f'Try       wordsight search {index.folder} "{asked[0]}"',
            f"          wordsight serve {index.folder} --open",
        ]
    )


def _page(examples: Sequence[Example], index: Index, queries: Sequence[str], out: Path) -> None:
    """Write the page: captions, their words on boxes, regions, and searches."""
    sections = [
        ("captions", "Captions", captions(examples)),
        ("words", "Word by word", words(examples)),
        ("regions", "Regions", regions(examples)),
        ("searches", "Searches", _searches(index, queries)),
    ]
    head = "<header><h1>Photographs, seen by the bundled model</h1></header>"
    write_text(out, page("photographs", head, sections, SAY))


def _index(photos: Sequence[Path], folder: Path, progress: Progress) -> Index:
    """A new index of these photographs alone; an old one in the folder is discarded."""
    if is_ours(folder):
        discard(folder)
    index = Index.create(folder)
    index.build(photos, progress=progress)
    return index


def _searches(index: Index, sentences: Sequence[str]) -> str:
    """Each sentence above a contact sheet of what it finds, as HTML."""
    parts = []
    for sentence in dict.fromkeys(sentences):
        drawn = inline(sheet(index.search(sentence, top=HITS)), sentence)
        parts.append(f'<div class="query"><p class="ask"><b>“{escape(sentence)}”</b></p>{drawn}</div>')
    return "".join(parts)
