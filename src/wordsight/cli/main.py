"""Command line: one thin function per command. Results go to stdout, everything else to stderr."""

import gc
import io
import os
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

import wordsight
from wordsight.cli import data as data_commands
from wordsight.cli import index as index_commands
from wordsight.cli import models as model_commands
from wordsight.cli import situations as situation_commands
from wordsight.cli import sketch as sketch_commands
from wordsight.cli.options import (
    AllowHub,
    Device,
    IndexFolder,
    Json,
    Model,
    Ray,
    command,
    opened,
    print_result,
    run_or_bundled,
    set_verbose,
)
from wordsight.cli.search import search
from wordsight.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PHOTOS, MODELS = "Your photos", "Train and measure models"
app.add_typer(data_commands.app, name="data", rich_help_panel=MODELS)
app.add_typer(index_commands.app, name="index", rich_help_panel=PHOTOS)
app.command(rich_help_panel=PHOTOS)(search)
app.add_typer(sketch_commands.app, name="sketch", rich_help_panel=MODELS)
app.command(rich_help_panel=PHOTOS)(situation_commands.situation)
app.command(rich_help_panel=MODELS)(model_commands.train)
app.command("eval", rich_help_panel=MODELS)(model_commands.evaluate)
app.command(rich_help_panel=MODELS)(model_commands.score_captions)
app.command(rich_help_panel=MODELS)(model_commands.import_neuraltalk)
app.command(rich_help_panel=MODELS)(model_commands.compare)
app.command(rich_help_panel=MODELS)(model_commands.calibrate)
app.command(rich_help_panel=MODELS)(model_commands.export)


def _version(asked: bool) -> None:
    if asked:
        print(f"wordsight {wordsight.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print which model a command uses, on stderr.")] = False,
) -> None:
    """Search your photos by sentence, offline, and see why each was found."""
    set_verbose(verbose)


@app.command(rich_help_panel=PHOTOS)
@command
def ground(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[RUN] PICTURE SENTENCE", help="A picture file, and what to look for, in quotes."),
    ],
    model: Model = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="OUT.png", help="Draw the boxes here.")] = None,
    beta: Annotated[
        float | None,
        typer.Option(help="How strongly neighbouring words share a box; 0: each word has its own."),
    ] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Show where in a picture each phrase of a sentence is: grounding."""
    from wordsight.matching.segments import BETA
    from wordsight.outputs import require_unread
    from wordsight.runs.aligner import load
    from wordsight.text.tokens import tokenise
    from wordsight.vision.fragments import fragment

    if len(words) == 3 and model is None and not Path(words[0]).is_file():
        model, words = Path(words[0]), words[1:]
    if len(words) != 2:
        raise InputError(
            'ground: expected a picture and a sentence in quotes, as in `wordsight ground photo.jpg "a dog"`, '
            f"found {len(words)} words."
        )
    picture, sentence = Path(words[0]), words[1]
    if not tokenise(sentence):
        raise InputError("ground: the sentence is empty, or has no words; say what to look for.")
    if out:
        require_unread(out, [fragment(picture).file])  # before the work
    run = load(run_or_bundled(model, "align"), device)
    found = run.align(picture, sentence, beta=BETA if beta is None else beta)
    if out:
        found.draw(picture, out)
    print_result(found.to_json(), str(found), as_json)


@app.command(rich_help_panel=PHOTOS)
@command
def caption(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN] PICTURE...",
            help="Pictures, videos, folders, patterns such as 'a/*.jpg'; - for paths on stdin.",
        ),
    ],
    model: Model = None,
    regions: Annotated[bool, typer.Option("--regions", help="Describe the most certain, different regions.")] = False,
    box: Annotated[
        list[str], typer.Option(metavar="X,Y,W,H", help="Describe this region, in pixels; repeatable.")
    ] = [],  # noqa: B006
    shots: Annotated[
        bool,
        typer.Option(
            "--shots",
            help="Describe each shot of a video; a shot ends where the colours change at once (35 % of the histogram).",
        ),
    ] = False,
    beam: Annotated[int, typer.Option(help="Beam width: captions kept at each step; 1 is greedy.")] = 3,
    n_best: Annotated[int, typer.Option(help="Number of captions per picture.")] = 1,
    length_normalise: Annotated[
        float, typer.Option(help="Rank by log-probability / words^N; above 0 prefers longer ones.")
    ] = 0.0,
    sample: Annotated[
        bool, typer.Option("--sample", help="Sample words at random, as the next four options say.")
    ] = False,
    temperature: Annotated[float, typer.Option(help="Below 1 makes probable words more probable.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="Sample from the K most probable words; 0: all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Sample from the most probable words that add up to P.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same captions.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="COCO results (.json), or a drawing (.png).")
    ] = None,
    alignment: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run that puts the words of a caption on boxes in the drawing."),
    ] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Describe pictures and videos, or regions of pictures."""
    from wordsight.bundled import in_the_box
    from wordsight.captioning.decoding import Decoding
    from wordsight.data.pictures import picture_files
    from wordsight.runs import checkpoint
    from wordsight.runs.aligner import load
    from wordsight.runs.caption_files import caption_files, pixels
    from wordsight.runs.captioner import load_captioner
    from wordsight.runs.described import check_out
    from wordsight.vision.fragments import fragment

    if model is None and checkpoint.is_checkpoint(Path(pictures[0])):
        model, pictures = Path(pictures[0]), pictures[1:]
    if not pictures:
        raise InputError(f"{model}: expected PICTURE... after it, found none.")
    paths, boxes = picture_files(pictures, sys.stdin.buffer, videos=True), [pixels(text) for text in box]
    if model is None and len(pictures) > 1 and paths[0] == Path(pictures[0]) and not fragment(paths[0]).file.exists():
        raise InputError(f"{paths[0]}: no such run or picture.")
    if alignment and (not out or regions or boxes):
        raise InputError(f"--alignment {alignment}: expected with -o OUT.png, and for captions of whole pictures.")
    of_regions = regions or bool(boxes)
    describer = load_captioner(run_or_bundled(model, "regions" if of_regions else "captions"), device)
    if model is None and out and out.suffix.lower() != ".json" and not of_regions:
        alignment = alignment or in_the_box("align")
    aligned = load(alignment, device) if alignment else None
    if out:
        words = describer.model.attends or aligned is not None
        check_out(out, paths, regions=of_regions, words=words)
    how = Decoding(beam=beam, n_best=n_best, length_normalise=length_normalise, sample=sample)
    how |= Decoding(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    described = caption_files(describer, paths, regions=regions, boxes=boxes, by_shot=shots, **how)
    if out:
        described.save(out, aligned)
    print_result(described.to_json(), str(described), as_json)


@app.command(rich_help_panel=PHOTOS)
@command
def serve(
    index: IndexFolder,
    captioner: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run that describes whole pictures.")
    ] = None,
    regions: Annotated[Path | None, typer.Option(metavar="RUN", help="The run that describes regions.")] = None,
    situations: Annotated[Path | None, typer.Option(metavar="RUN", help="The run that finds situations.")] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than this machine need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    token: Annotated[str, typer.Option(help="The password of the page; made up where one is needed.")] = "",
    allowed_host: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="Another host name that requests may use, such as a proxy's; repeatable."),
    ] = [],  # noqa: B006
    trusted_proxy: Annotated[
        list[str], typer.Option(metavar="ADDRESS", help="A proxy whose forwarded headers count; repeatable.")
    ] = [],  # noqa: B006
    photos: Annotated[
        list[Path], typer.Option(metavar="FOLDER", help="A folder that may be indexed from the page; repeatable.")
    ] = [],  # noqa: B006
    show_paths: Annotated[
        bool, typer.Option("--show-paths", help="Show whole paths to other machines too, not only names in the index.")
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    ray: Ray = "",
    device: Device = "auto",
    allow_hub: AllowHub = False,
) -> None:
    """Search an index in the browser, or as JSON under /api/v1."""
    from wordsight.search.index import Index
    from wordsight.web.serve import serve

    opened(Index(index, device))
    with ExitStack() as stack:
        scan = None
        if ray:
            from wordsight.scale.search import scanning

            scan = stack.enter_context(scanning(ray, index, device))
        more = (allowed_host, show_paths, photos, trusted_proxy, situations, scan)
        serve(index, captioner, regions, host, port, token, open_, device, *more)


@app.command(rich_help_panel=MODELS)
@command
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The folder to work in.")] = Path(
        "wordsight-demo"
    ),
    photos: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Your photographs, instead of those of scikit-image.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a two-minute demo: train on painted pictures, measure, and look at photographs; no downloads."""
    from wordsight.demo.painted import demo, story
    from wordsight.demo.photographs import photographs, show_photographs

    found = photographs(photos)
    figures = demo(out)
    seen = show_photographs(found, out / "photos")
    print_result(figures, "\n\n".join([story(figures, out), *([seen] if seen else [])]), as_json)


def main() -> None:
    """Run the `wordsight` command."""
    # Threads that wait for each other spin by default: on a busy machine that makes training several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    gc.set_threshold(100_000)  # by default, a fifth of the start-up is spent on garbage collection among imports
    warnings.filterwarnings("ignore", module="PIL")  # unreadable pictures are reported as errors here
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")
    warnings.formatwarning = lambda message, *_: f"wordsight: {message}\n"  # one sentence, without the line of code
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # characters that the terminal lacks
    app()


if __name__ == "__main__":
    main()
