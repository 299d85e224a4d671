"""The command line: one command a verb, thin. Results go to stdout, everything else to stderr."""

import gc
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli import data as data_commands
from wordsight.cli import index as index_commands
from wordsight.cli.options import AllowHub, Device, Json, Model, command, print_result, run_or_bundled
from wordsight.errors import InputError

app = typer.Typer(
    help="Learn which words name which parts of a picture, and put it to work.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_commands.app, name="data")
app.add_typer(index_commands.app, name="index")
app.command()(index_commands.search)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `train -o` wrote.")]


@app.command()
@command
def train(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="DATA|RECIPE.toml", help="Pictures with sentences of your own; or another experiment."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The folder to leave the model in.")],
    set_: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override, as in train.seed=1.")] = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN where it stopped.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps; else as the recipe says.")] = "",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Teach the model in the box your own pictures, or train one as a recipe says; the best on val is kept."""
    from wordsight.runs.recipe import own, read
    from wordsight.runs.tasks import task_of
    from wordsight.training.trainer import train

    settings = [*set_, f'train.device="{device}"'] if device else set_
    is_data = recipe.is_dir() or (recipe.is_file() and recipe.suffix.lower() not in ("", ".toml"))
    chosen = (own if is_data else read)(recipe, settings)
    best = train(chosen, out, resume=resume)["best"]
    epoch = f", epoch {best['epoch']}" if "epoch" in best else ""  # members have one each
    print_result(best, f"{out}: {task_of(str(chosen.model['name'])).summary(best)} on val{epoch}", as_json)


@app.command("eval")
@command
def evaluate(
    run: RunFolder,
    data: Annotated[Path | None, typer.Option(metavar="DATA", help="A dataset; else the one of the training.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split to measure on.")] = "val",
    grounding: Annotated[bool, typer.Option("--grounding", help="Also measure boxes against entities.json.")] = False,
    beam: Annotated[int | None, typer.Option(help="Captions: the width of the beam; else 3.")] = None,
    meteor: Annotated[bool, typer.Option("--meteor", help="Captions: also METEOR, which needs Java.")] = False,
    rank: Annotated[bool, typer.Option("--rank", help="Captions: rank by likelihood instead of describing.")] = False,
    most: Annotated[int | None, typer.Option(metavar="N", help="--rank: only the first N pictures.")] = None,
    alignment: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Captions: show in the report where this run puts their words.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write RUN/report-NAME/report.html.")] = True,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Measure a model on a dataset: retrieval both ways and grounding, or how near its captions are to people's."""
    from wordsight.runs.captioner import load_run
    from wordsight.runs.tasks import TASKS, part
    from wordsight.vision.dual_source import is_dual

    loaded = load_run(run, device)
    asked = {"grounding": grounding, "beam": beam, "meteor": meteor, "rank": rank, "most": most, "alignment": alignment}
    told = {name: value for name, value in asked.items() if value is not None and value is not False}
    if foreign := [name for name in told if name not in loaded.task.options]:
        others = ", or ".join(task.does for task in TASKS.values() if foreign[0] in task.options)
        raise InputError(f"{run}: this run {loaded.task.does}; --{foreign[0]} is for a run that {others}.")
    folder = run / f"report-{split}" if report and not is_dual(run) else None
    figures, table = part(loaded.task.measure)(loaded, data, split, report=folder, **told)
    print_result(figures, table, as_json)


@app.command()
@command
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders that `train -o` wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write tables and pages.")],
    data: Annotated[Path | None, typer.Option(metavar="DATA", help="A dataset; else the first run's own.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split to measure on.")] = "val",
    beam: Annotated[int, typer.Option(min=1, help="Captions: the width of the beam.")] = 5,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Put any runs side by side: tables, curves, which differences are real, what each said of the same pictures."""
    from wordsight.comparison.compare import compare

    done = compare(runs, out, data, split, beam=beam, device=device)
    print_result(done.to_json(), f"{done.markdown()}\n{done.page}", as_json)


@app.command()
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
        typer.Option(help="How much neighbouring words hold together; 0: word by word. Else as chosen on val."),
    ] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Show which box each phrase of a sentence went to, or each word."""
    from wordsight.matching.segments import BETA
    from wordsight.runs.aligner import load

    if len(words) == 3 and model is None and not Path(words[0]).is_file():
        model, words = Path(words[0]), words[1:]
    if len(words) != 2:
        raise InputError(
            'ground: expected a picture and a sentence in quotes, as in `wordsight ground photo.jpg "a dog"`, '
            f"found {len(words)} words."
        )
    picture, sentence = Path(words[0]), words[1]
    if not sentence.strip():
        raise InputError("ground: the sentence is empty; say what to look for.")
    run = load(run_or_bundled(model, "align"), device)
    found = run.align(picture, sentence, beta=BETA if beta is None else beta)
    if out:
        found.draw(picture, out)
    print_result(found.to_json(), str(found), as_json)


@app.command()
@command
def caption(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN] PICTURE...", help="Files, folders, patterns such as 'a/*.jpg'; - for paths on stdin."
        ),
    ],
    model: Model = None,
    regions: Annotated[
        bool, typer.Option("--regions", help="Describe regions, the surest and most different.")
    ] = False,
    box: Annotated[
        list[str], typer.Option(metavar="X,Y,W,H", help="Describe this region, in pixels; repeatable.")
    ] = [],  # noqa: B006
    beam: Annotated[int, typer.Option(help="The width of the beam; 1 is greedy.")] = 3,
    n_best: Annotated[int, typer.Option(help="Captions of each picture.")] = 1,
    length_normalise: Annotated[float, typer.Option(help="Rank by log-probability / words^this.")] = 0.0,
    sample: Annotated[bool, typer.Option("--sample", help="Draw words by chance, as the next four say.")] = False,
    temperature: Annotated[float, typer.Option(help="Below 1 prefers what is probable.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="Draw from the k most probable words; 0 for all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the words that are so probable together.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed draws the same.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="COCO results (.json), or a drawing (.png).")
    ] = None,
    alignment: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Draw the boxes where this run puts the words of the caption.")
    ] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Say what is in pictures, or in regions of them."""
    from wordsight.bundled import in_the_box
    from wordsight.captioning.decoding import Decoding
    from wordsight.data.pictures import picture_files
    from wordsight.runs import checkpoint
    from wordsight.runs.aligner import load
    from wordsight.runs.caption_files import caption_files, check_out, pixels
    from wordsight.runs.captioner import load_captioner

    if model is None and checkpoint.is_checkpoint(Path(pictures[0])):
        model, pictures = Path(pictures[0]), pictures[1:]
    if not pictures:
        raise InputError(f"{model}: expected PICTURE... behind it, found none.")
    paths, boxes = picture_files(pictures, sys.stdin.buffer), [pixels(text) for text in box]
    if model is None and len(pictures) > 1 and paths[0] == Path(pictures[0]) and not paths[0].exists():
        raise InputError(f"{paths[0]}: neither a run nor a picture; there is no such thing.")
    if alignment and (not out or regions or boxes):
        raise InputError(f"--alignment {alignment}: expected with -o OUT.png, and for captions of whole pictures.")
    of_regions = regions or bool(boxes)
    describer = load_captioner(run_or_bundled(model, "regions" if of_regions else "captions"), device)
    if model is None and out and out.suffix.lower() != ".json" and not of_regions:
        alignment = alignment or in_the_box("align")
    aligned = load(alignment, device) if alignment else None
    if out:
        words = describer.model.attends or aligned is not None
        check_out(out, len(paths), regions=of_regions, words=words)
    how = Decoding(beam=beam, n_best=n_best, length_normalise=length_normalise, sample=sample)
    how |= Decoding(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    described = caption_files(describer, paths, regions=regions, boxes=boxes, **how)
    if out:
        described.save(out, aligned)
    print_result(described.to_json(), str(described), as_json)


@app.command()
@command
def calibrate(
    run: RunFolder,
    data: Annotated[list[Path], typer.Option(metavar="DATA", help="A dataset with a val split; repeatable.")],
    as_json: Json = False,
) -> None:
    """Learn how sure the captions of a run are, so that it says when it does not know."""
    from wordsight.captioning.certain import CERTAIN
    from wordsight.training.calibrate_captions import calibrate_run, table

    figures = calibrate_run(run, data)
    print_result(figures, f"{run / CERTAIN}\n{table(figures)}", as_json)


@app.command()
@command
def serve(
    index: index_commands.IndexFolder,
    captioner: Annotated[Path | None, typer.Option(metavar="RUN", help="Describes whole pictures.")] = None,
    regions: Annotated[Path | None, typer.Option(metavar="RUN", help="Describes regions of pictures.")] = None,
    host: Annotated[str, typer.Option(help="Where to be found; beyond this machine only with a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    token: Annotated[str, typer.Option(help="Asked of everyone who comes; one is made where it is needed.")] = "",
    allowed_host: Annotated[
        list[str], typer.Option(metavar="NAME", help="Another name it is asked by, as of a proxy; repeatable.")
    ] = [],  # noqa: B006
    trusted_proxy: Annotated[
        list[str], typer.Option(metavar="ADDRESS", help="A proxy whose forwarded headers count; repeatable.")
    ] = [],  # noqa: B006
    photos: Annotated[
        list[Path], typer.Option(metavar="FOLDER", help="May be indexed from the page; repeatable.")
    ] = [],  # noqa: B006
    show_paths: Annotated[bool, typer.Option("--show-paths", help="Show whole paths, not names in the index.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    device: Device = "auto",
    allow_hub: AllowHub = False,
) -> None:
    """Search an index in the browser, and as JSON under /api/v1."""
    from wordsight.web.serve import serve

    serve(index, captioner, regions, host, port, token, open_, device, allowed_host, show_paths, photos, trusted_proxy)


@app.command()
@command
def export(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx", help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Write the net that sees as one ONNX file, for programs without torch: the feature map, and what is where."""
    from wordsight.vision.export import export

    export(out)
    size = out.stat().st_size
    print_result({"out": str(out), "bytes": size}, f"{out}: {size / 1e6:.1f} MB", as_json)


@app.command()
@command
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where to work.")] = Path("wordsight-demo"),
    photos: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Photographs to end with, not scikit-image's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Paint a world, learn it, measure against the painter's truth, then look at photographs: nothing to download."""
    from wordsight.demo.painted import demo, story
    from wordsight.demo.photographs import photographs, show_photographs

    found = photographs(photos)
    figures = demo(out)
    seen = show_photographs(found, out / "photos")
    print_result(figures, "\n\n".join([story(figures, out), *([seen] if seen else [])]), as_json)


def main() -> None:
    """The `wordsight` command."""
    # Threads that wait for each other spin by default: on a busy machine that makes training several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    gc.set_threshold(100_000)  # by default a fifth of a start goes into looking for garbage among what is imported
    warnings.filterwarnings("ignore", module="PIL")  # what cannot be read is an error here, and said as one
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")
    warnings.formatwarning = lambda message, *_: f"wordsight: {message}\n"  # one sentence, not where in the code
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # words that the terminal has no letters for
    app()


if __name__ == "__main__":
    main()
