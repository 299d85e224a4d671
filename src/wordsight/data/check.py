"""Dataset check before training: contents, missing files and faults. Nothing is written."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from wordsight.data.records import Dataset, Picture, split_name
from wordsight.errors import InputError
from wordsight.text.tokens import tokenise
from wordsight.text.vocabulary import SPECIAL, Vocabulary
from wordsight.vision.clips import still
from wordsight.vision.fragments import fragment

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Report:
    """The result of `check`.

    Attributes:
        dataset: its name.
        root: its folder.
        format: the format that was detected.
        pictures: the number of pictures listed, including unusable ones.
        sentences: the number of sentences, including empty ones.
        splits: for each split "pictures", "sentences", and "coverage": the share of its words that are in the
            vocabulary (0 to 1; absent without a vocabulary).
        missing: names of pictures without a file.
        broken: name -> error, for files that cannot be opened as a picture.
        without_sentences: names of pictures without sentences.
        empty: names of pictures with wordless sentences, once for each such sentence.
        repeated: the number of sentences that repeat another of the same picture word for word.
        distinct: the number of distinct sentences, without wordless ones.
        lengths: "min", "median", "mean" and "max" number of words, over sentences that have any.
        vocabulary: the number of words in the vocabulary; 0 without one.
        warnings: one sentence each.
    """

    dataset: str
    root: str
    format: str
    pictures: int
    sentences: int
    splits: dict[str, dict[str, float]]
    missing: tuple[str, ...]
    broken: dict[str, str]
    without_sentences: tuple[str, ...]
    empty: tuple[str, ...]
    repeated: int
    distinct: int
    lengths: dict[str, float]
    vocabulary: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values for `json.dumps`."""
        return asdict(self)

    def __str__(self) -> str:
        """The report as text."""
        lines = [f"{self.dataset} ({self.format}) in {self.root}: {self.pictures} pictures, {self.sentences} sentences"]
        for name, split in self.splits.items():
            known = f", {split['coverage']:.1%} of the words known" if "coverage" in split else ""
            lines.append(f"  {name}: {split['pictures']} pictures, {split['sentences']} sentences{known}")
        if self.lengths:
            lines.append("  words a sentence: " + ", ".join(f"{key} {self.lengths[key]:g}" for key in self.lengths))
        if self.vocabulary:
            lines.append(f"  vocabulary: {self.vocabulary} words")
        return "\n".join([*lines, *(f"  ! {warning}" for warning in self.warnings)])


def check(
    dataset: Dataset, vocabulary_from: str = "train", min_count: int = 5, progress: Progress | None = None
) -> Report:
    """Check a dataset, opening every picture.

    Args:
        dataset: any dataset.
        vocabulary_from: the split that the vocabulary is built from; if the dataset lacks it, coverage is left out.
        min_count: the minimum count of a vocabulary word in that split.
        progress: receives the number of pictures done, and the total.
    """
    said = [sentence for picture in dataset.pictures for sentence in picture.sentences]
    words = {sentence: tuple(tokenise(sentence)) for sentence in said}
    lengths = [len(words[sentence]) for sentence in said if words[sentence]]
    missing, broken = _bad_pictures(dataset.pictures, progress)
    vocabulary = _vocabulary(dataset, split_name(vocabulary_from), min_count)
    found: dict[str, Any] = {
        "pictures": len(dataset.pictures),
        "sentences": len(said),
        "splits": _splits(dataset, vocabulary),
        "missing": missing,
        "broken": broken,
        "without_sentences": tuple(picture.name for picture in dataset.pictures if not picture.sentences),
        "empty": tuple(p.name for p in dataset.pictures for sentence in p.sentences if not words[sentence]),
        "repeated": sum(_repeated(words[sentence] for sentence in picture.sentences) for picture in dataset.pictures),
        "distinct": len(set(words.values()) - {()}),
        "lengths": _summary(lengths),
        "vocabulary": len(vocabulary) - len(SPECIAL) if vocabulary else 0,
    }
    warnings = (*dataset.faults, *_warnings(found, dataset.splits, split_name(vocabulary_from), min_count))
    return Report(dataset.name, str(dataset.root), dataset.format, warnings=warnings, **found)


def require_trainable(pictures: Sequence[Picture], held: Sequence[Picture] = ()) -> None:
    """Check that pictures can be trained on.

    Args:
        pictures: to train on.
        held: those that were held out of them as the split "val", as the data has none.

    Raises:
        InputError: there are fewer than two pictures with sentences, or all the sentences are the same.
    """
    spoken, kept = _spoken(pictures), _spoken(held)
    if len(spoken) < 2:
        where = f"{pictures[0].path.parent}: " if pictures else ""
        found = f"there are {len(spoken)}."
        if kept:
            found = f"of {len(spoken) + len(kept)}, {len(kept)} are held out as 'val'; expected 4, or a split 'val'."
        raise InputError(f"{where}training needs two pictures with sentences at least, but {found}")
    said = [sentence for picture in spoken for sentence in picture.sentences]
    if len({tuple(words) for sentence in said if (words := tokenise(sentence))}) == 1:
        raise InputError(
            f"{spoken[0].path.parent}: all {len(said)} sentences to train on say the same ({said[0]!r}): "
            "expected sentences that tell pictures apart."
        )


def _spoken(pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures with a sentence that has words."""
    return [picture for picture in pictures if any(tokenise(sentence) for sentence in picture.sentences)]


def _bad_pictures(pictures: Sequence[Picture], progress: Progress | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """The names of missing pictures, and name -> error of broken ones."""

    def look(picture: Picture) -> str | None:
        """None if the file is missing, "" if it opens, else the error."""
        if not os.path.exists(fragment(picture.path).file):
            return None
        try:
            still(picture.path)
        except InputError as error:
            return str(error)
        return ""

    missing, broken = [], {}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for done, (picture, wrong) in enumerate(zip(pictures, pool.map(look, pictures), strict=True), 1):
            if wrong is None:
                missing.append(picture.name)
            elif wrong:
                broken[picture.name] = wrong
            if progress:
                progress(done, len(pictures))
    return tuple(missing), broken


def _vocabulary(dataset: Dataset, split: str, min_count: int) -> Vocabulary | None:
    """The vocabulary of a split; None if there is no such split, or no word occurs `min_count` times."""
    try:
        return Vocabulary.build(_sentences(dataset, split), min_count)
    except InputError:
        return None


def _sentences(dataset: Dataset, split: str) -> list[str]:
    return [sentence for picture in dataset.pictures if picture.split == split for sentence in picture.sentences]


def _splits(dataset: Dataset, vocabulary: Vocabulary | None) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for name, count in dataset.splits.items():
        said = _sentences(dataset, name)
        rows[name] = {"pictures": count, "sentences": len(said)}
        if vocabulary:
            rows[name]["coverage"] = vocabulary.coverage(said)
    return rows


def _repeated(sentences: Iterable[tuple[str, ...]]) -> int:
    """The number of sentences, as words, that repeat an earlier one; wordless ones do not count."""
    return sum(count - 1 for words, count in Counter(sentences).items() if words)


def _summary(lengths: list[int]) -> dict[str, float]:
    if not lengths:
        return {}
    return {"min": min(lengths), "median": median(lengths), "mean": round(fmean(lengths), 2), "max": max(lengths)}


def _warnings(found: dict[str, Any], splits: dict[str, int], split: str, min_count: int) -> Iterator[str]:
    for key, what in (
        ("missing", "Missing pictures"),
        ("broken", "Pictures that cannot be opened"),
        ("without_sentences", "Pictures without sentences"),
        ("empty", "Pictures with an empty sentence"),
    ):
        if names := list(found[key]):
            listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            yield f"{what}: {len(names)} ({listed})."
    if found["repeated"]:
        yield f"Sentences that say the same as another one of their picture: {found['repeated']}."
    if found["distinct"] == 1 and found["sentences"] > 1:
        yield "All sentences say the same: nothing can be learned from them."
    if split not in splits:
        yield f"There is no split '{split}' to build a vocabulary from: coverage is not measured."
    elif not found["vocabulary"]:
        yield f"No word is seen {min_count} times in the split '{split}': coverage is not measured."
    if "train" in splits and "val" not in splits:
        yield "There is no split 'val' to choose the best training epoch by."
