"""Captioners of clips: exact sentences, directions, use of the order of frames, and where they attend.

    python benchmarks/clips.py painted RUN [RUN ...] --data painted-clips      painted clips, which are known exactly
    python benchmarks/clips.py sequences RUN [RUN ...] --data sequences        sequences of photographs
    python benchmarks/clips.py shots --data sequences [--most 300]             where shots begin
    python benchmarks/clips.py speed --data clips [--size 192]                 decoding and features
    python benchmarks/clips.py hour                                            memory for an hour of video

Painted clips: percent of the val clips whose caption is one of the true sentences; of those with a direction, percent
whose first word of direction is right; the same with the frames in random order. Sequences: CIDEr and BLEU-4 on the val
clips, a bootstrap interval over the clips of CIDEr relative to the first run's, and for models that attend, on the true
sentences: percent of content words whose attention peaks in the right shot, and the mean beta of content and function
words.

Shots: precision and recall of the starts of shots that `--shots` finds, within one frame. Speed: 28-frame clips per
second, decoded alone, and decoded and encoded by efficientnet-lite2, in one process with one thread per core; and
processor seconds per clip over all threads, which are more reliable on a busy machine. Hour: a video of 640 x 360 is
made; its features are computed, and it is cut into shots, each in a process of its own whose peak memory is printed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from wordsight.batch import Regions
from wordsight.captioning import decode
from wordsight.captioning.captions import in_words
from wordsight.data.load import load_dataset
from wordsight.data.painted.clips import WAYS, Story, story
from wordsight.data.records import Picture
from wordsight.data.sequences import JOIN, MILLISECONDS
from wordsight.metrics.captions import caption_metrics
from wordsight.metrics.cider import cider_d
from wordsight.metrics.ptb import tokenise
from wordsight.runs.captioner import Captioner, load_captioner
from wordsight.runs.encoder import region_encoder
from wordsight.text.tokens import FUNCTION_WORDS
from wordsight.vision.cache import FeatureCache, FeatureTable, default_cache
from wordsight.vision.clips import frames
from wordsight.vision.settings import LITE2, RegionSettings
from wordsight.vision.shots import shots

BEAM, BLOCK = 3, 100
LONGEST = 60  # words: four sentences of photographs joined


def said(run: Captioner, table: FeatureTable, shuffled: bool = False) -> list[str]:
    """One caption per clip, with its frames in order or in random order."""
    captions = []
    for rows in torch.arange(len(table)).split(BLOCK):
        regions = table.gather(rows)
        regions = mixed(regions) if shuffled else regions
        found = decode.beam(run.model, regions, width=BEAM, n_best=1, longest=LONGEST)
        captions += [in_words(one[0], run.vocabulary).text for one in found]
    return captions


def mixed(regions: Regions) -> Regions:
    """The frames of each clip in random order."""
    chance = torch.Generator().manual_seed(0)
    rank = torch.rand(regions.mask.shape, generator=chance).masked_fill(~regions.mask, 2.0)
    rank[:, 0] = -1  # the whole clip
    order = rank.argsort(dim=1)
    features = regions.features.gather(1, order[..., None].expand_as(regions.features))
    return Regions(features, regions.mask, regions.boxes)


def judged(captions: list[str], stories: list[Story]) -> tuple[float, float]:
    """Percent of captions that are true sentences, and percent, of clips with a direction, with the right direction."""
    exact = [caption in told.sentences() for caption, told in zip(captions, stories, strict=True)]
    ways = [
        (next((word for word in caption.split() if word in WAYS), ""), way)
        for caption, told in zip(captions, stories, strict=True)
        if (way := next((event for event in told.events if event in WAYS), ""))
    ]
    return 100 * sum(exact) / len(exact), 100 * sum(a == b for a, b in ways) / max(1, len(ways))


def painted(runs: list[Captioner], data: Path, pictures: list[Picture]) -> None:
    seed = int(json.loads((data / "dataset.json").read_text())["dataset"].rpartition("-")[2])
    stories = [story(seed, int(picture.path.stem.rpartition("_")[2])) for picture in pictures]
    print("| model | exact | direction | shuffled: exact | direction |\n|---|---|---|---|---|")
    for run in runs:
        table = features(run, pictures)
        figures = [figure for way in (False, True) for figure in judged(said(run, table, way), stories)]
        print(f"| {run.folder.name} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |", flush=True)


def features(run: Captioner, pictures: list[Picture]) -> FeatureTable:
    return FeatureCache(default_cache(), run.encoder).regions([picture.path for picture in pictures])


def sequences(runs: list[Captioner], data: Path, pictures: list[Picture]) -> None:
    shots = json.loads((data / "shots.json").read_text())
    references = {picture.name: list(picture.sentences) for picture in pictures}
    head = "| model | CIDEr | BLEU-4 | over the first (95 %) | right shot | beta: content | function |"
    print(f"{head}\n{'|---' * 7}|")
    first = None
    for run in runs:
        table = features(run, pictures)
        captions = dict(zip(references, said(run, table), strict=True))
        found = caption_metrics(captions, references)
        texts = [tokenise(caption) for caption in captions.values()]
        own = torch.tensor(cider_d(texts, [[tokenise(one) for one in some] for some in references.values()]))
        first = own if first is None else first
        chance = torch.Generator().manual_seed(0)
        draws = torch.randint(len(own), (2000, len(own)), generator=chance)
        ratio = 100 * (own[draws].mean(1) / first[draws].mean(1) - 1)
        low, high = ratio.quantile(torch.tensor([0.025, 0.975], dtype=ratio.dtype)).tolist()
        cells = [f"{100 * found['CIDEr']:.1f}", f"{100 * found['Bleu_4']:.1f}", f"{low:+.0f} to {high:+.0f} %"]
        print(f"| {run.folder.name} | " + " | ".join(cells + looked(run, table, pictures, shots)) + " |", flush=True)


def looked(
    run: Captioner, table: FeatureTable, pictures: list[Picture], shots: dict[str, dict[str, list[int]]]
) -> list[str]:
    """On true sentences: percent of content words at the right shot, mean beta of content and function words."""
    if not run.model.attends:
        return ["", "", ""]
    right, content, function = [], [], []
    for row, picture in enumerate(pictures):
        regions = table.gather(torch.tensor([row]))
        words = picture.sentences[0].split()
        ids = run.vocabulary.encode([picture.sentences[0]]).ids[0]
        alpha = run.model.attention(regions, ids)[:, 1:]  # (T, n), without the whole clip
        gates = run.model.gates(regions, ids)
        beta = [1.0] * len(words) if gates is None else gates.tolist()
        starts = torch.tensor(shots[picture.path.name]["first"])
        shot = 0
        for place, word in enumerate(words):
            if word == JOIN:
                shot += 1
                function.append(beta[place])
            elif word in FUNCTION_WORDS:
                function.append(beta[place])
            else:
                content.append(beta[place])
                peak = int((starts <= alpha[place].argmax()).sum()) - 1
                right.append(peak == shot)
    mean = [sum(some) / len(some) for some in (right, content, function)]
    return [f"{100 * mean[0]:.1f}", f"{mean[1]:.2f}", f"{mean[2]:.2f}"]


def cuts(data: Path, most: int) -> None:
    told = json.loads((data / "shots.json").read_text())
    names = sorted(told)[:: max(1, len(told) // most)]
    right = found = there = 0
    for name in names:
        truth = [first * MILLISECONDS / 1000 for first in told[name]["first"][1:]]
        said = [part.start for part in shots(data / "images" / name)[1:]]
        right += sum(any(abs(one - other) <= MILLISECONDS / 1000 + 1e-6 for other in said) for one in truth)
        found, there = found + len(said), there + len(truth)
    print("| clips | boundaries | found | precision | recall |\n|---|---|---|---|---|")
    print(f"| {len(names)} | {there} | {found} | {100 * right / max(1, found):.1f} | {100 * right / there:.1f} |")


def speed(paths: list[Path], side: int) -> None:
    encoder = region_encoder(RegionSettings(backbones=(LITE2,), frames=28, size=side))
    work = {
        "decoding": lambda: [frames(path, 28, side) for path in paths],
        "decoding and features": lambda: list(encoder.stream(paths)),
    }
    print(f"{len(paths)} clips, {side} pixels a side, one process, {len(os.sched_getaffinity(0))} cores")
    print("| | clips / s | s of computing a clip |\n|---|---|---|")
    for name, run in work.items():
        run()
        clock, computing = time.perf_counter(), time.process_time()
        run()
        clock, computing = time.perf_counter() - clock, time.process_time() - computing
        print(f"| {name} | {len(paths) / clock:.2f} | {computing / len(paths):.2f} |", flush=True)


def hour(side: int, seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.mp4"
        _hour_of_video(path, seconds)
        print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB\n| | seconds | peak MB |\n|---|---|---|", flush=True)
        for name in ("features", "shots"):
            clock = time.perf_counter()
            done = subprocess.run(
                [sys.executable, __file__, f"only-{name}", "--data", str(path), "--size", str(side)],
                check=True,
                capture_output=True,
                text=True,
            )
            print(f"| {name} | {time.perf_counter() - clock:.0f} | {done.stdout.strip()} |", flush=True)


def only(what: str, path: Path, side: int) -> None:
    """One part of the work, in this process; prints its peak memory in MB."""
    if what == "only-shots":
        shots(path)
    else:
        encoder = region_encoder(RegionSettings(backbones=(LITE2,), frames=28, size=side))
        list(encoder.stream([path]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def _hour_of_video(path: Path, seconds: int, rate: int = 25, again: int = 4) -> None:
    """Write a video of 640 x 360: four seconds of moving coloured squares, repeated."""
    import av

    picture = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8).repeat(40, axis=0).repeat(40, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.time_base = 640, 360, Fraction(1, rate)
        stream.codec_context.max_b_frames = 0
        shown = [np.ascontiguousarray(np.roll(picture, 4 * number, axis=1)) for number in range(rate * again)]
        packets = [packet for one in shown for packet in stream.encode(av.VideoFrame.from_ndarray(one, "rgb24"))]
        packets += stream.encode(None)
        contents = [(bytes(packet), packet.is_keyframe) for packet in packets]
        for number in range(seconds * rate):
            content, key = contents[number % len(contents)]
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, rate), key
            packet.pts = packet.dts = number
            container.mux(packet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", choices=("painted", "sequences", "shots", "speed", "hour", "only-features", "only-shots")
    )
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seconds", type=int, default=3600, help="of the video of `hour`")
    args = parser.parse_args()
    if args.what == "hour":
        return hour(args.size, args.seconds)
    if args.data is None:
        parser.error("expected --data")
    if args.what == "shots":
        return cuts(args.data, args.most)
    if args.what.startswith("only-"):
        return only(args.what, args.data, args.size)
    if args.what == "speed":
        return speed([clip.path for clip in load_dataset(args.data).pictures][: args.most], args.size)
    runs = [load_captioner(run, "cpu") for run in args.runs]
    pictures = list(load_dataset(args.data).split("val"))
    (painted if args.what == "painted" else sequences)(runs, args.data, pictures)


if __name__ == "__main__":
    main()
