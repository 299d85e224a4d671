"""Agreement of caption metrics with people: Kendall's tau with the judgments of Flickr8k-Expert or -CrowdFlower.

    pip install scipy
    python benchmarks/judgments.py ExpertAnnotations.txt --data flickr8k [--model RUN]

The judgment files are public, with Flickr8k's text. Each expert's judgment is a pair of its own; captions that were
written for the picture they are judged with are left out, since they are references. Alignment is the score of
`score-captions`, without references; CIDEr and BLEU-4 use the picture's own sentences, with document frequencies from
the judged pictures. Papers report tau-c of experts and tau-b of the crowd, times 100.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from wordsight.bundled import in_the_box
from wordsight.data.find import find
from wordsight.data.judgments import Judgment, read_judgments
from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.evaluation.caption_scores import alignment_scores, both
from wordsight.metrics.bleu import bleu
from wordsight.metrics.cider import cider_d
from wordsight.metrics.ptb import tokenise
from wordsight.runs.aligner import load


def known(judged: Sequence[Judgment], pictures: dict[str, Picture]) -> list[Judgment]:
    """The judgments whose pictures and captions are in the dataset, except those of a picture's own captions."""
    return [
        one
        for one in judged
        if one.picture in pictures
        and one.source != one.picture
        and one.source in pictures
        and one.number < len(pictures[one.source].sentences)
    ]


def tau(judged: Sequence[Judgment], scores: Sequence[float]) -> tuple[float, float]:
    """Tau-c and tau-b, times 100, over all single judgments."""
    from scipy.stats import kendalltau

    pairs = [(score, judgment) for one, score in zip(judged, scores, strict=True) for judgment in one.scores]
    ours, theirs = zip(*pairs, strict=True)
    return tuple(100 * kendalltau(ours, theirs, variant=variant).statistic for variant in "cb")  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description="Agreement of caption metrics with people.")
    parser.add_argument("judgments", metavar="FILE", type=Path)
    parser.add_argument("--data", default="flickr8k", help="Flickr8K")
    parser.add_argument("--model", metavar="RUN", type=Path, help="the aligner; the bundled one by default")
    args = parser.parse_args()
    try:
        every = read_judgments(args.judgments)
        pictures = {picture.name: picture for picture in load_dataset(find(args.data, "dataset")).pictures}
        judged = known(every, pictures)
        if not judged:
            raise InputError(f"{args.judgments}: none of its pictures and captions is in {args.data}.")
        said = [pictures[one.source].sentences[one.number] for one in judged]
        aligned = alignment_scores(
            load(args.model or in_the_box("align")),
            [(pictures[one.picture].path, caption) for one, caption in zip(judged, said, strict=True)],
        )
    except InputError as error:
        parser.error(str(error))
    tokens = [tokenise(caption) for caption in said]
    right = [[tokenise(sentence) for sentence in pictures[one.picture].sentences] for one in judged]
    cider = cider_d(tokens, right)
    rows = {"alignment": aligned, "CIDEr": cider, "both": both(aligned, cider)}
    rows["BLEU-4"] = [of_one[3] for of_one in bleu(tokens, right)[1]]
    print(f"{len(judged):,} of {len(every):,} judged captions\n\n| metric | tau-c | tau-b |\n|---|---|---|")
    for name, scores in rows.items():
        c, b = tau(judged, scores)
        print(f"| {name} | {c:.1f} | {b:.1f} |")


if __name__ == "__main__":
    main()
