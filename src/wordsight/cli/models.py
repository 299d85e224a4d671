"""The commands that train, measure and export models."""

from pathlib import Path
from typing import Annotated

import typer

from wordsight.cli.options import AllowHub, Device, Json, Model, Ray, command, print_result, run_or_bundled
from wordsight.errors import InputError

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="The folder of a trained model, which `train -o` wrote.")
]


@command
def train(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="DATA|RECIPE.toml", help="Your pictures with captions, or the recipe of an experiment."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The folder to write the model to.")],
    set_: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key, as in train.seed=1.")
    ] = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Continue the training in RUN where it stopped.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps, instead of the recipe's.")] = "",
    ray: Ray = "",
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="With --ray: how many processes share each batch; one a core.")
    ] = None,
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Fine-tune the bundled model on your pictures, or train a model by a recipe; keeps the best on val."""
    from wordsight.runs.recipe import own, read
    from wordsight.runs.tasks import task_of
    from wordsight.training.trainer import train

    if workers is not None and not ray:
        raise InputError(f"--workers {workers}: goes with --ray.")
    settings = [*set_, f'train.device="{device}"'] if device else set_
    is_recipe = recipe.suffix.lower() == ".toml" or (recipe.is_file() and not recipe.suffix)
    chosen = (read if is_recipe else own)(recipe, settings)
    if ray:
        from wordsight.scale.train import train_ray

        best = train_ray(ray, chosen, out, workers=workers, resume=resume)["best"]
    else:
        best = train(chosen, out, resume=resume)["best"]
    epoch = f", epoch {best['epoch']}" if "epoch" in best else ""  # members have one each
    print_result(best, f"{out}: {task_of(str(chosen.model['name'])).summary(best)} on val{epoch}", as_json)


@command
def evaluate(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="The folder of a trained model, which `train -o` wrote.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead of a run: captions of any system, in a file.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="A dataset; by default the one of the training.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split to measure on.")] = "val",
    grounding: Annotated[
        bool, typer.Option("--grounding", help="Also measure where phrases are put: pointing and IoU.")
    ] = False,
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Also rank N parts of the split by themselves, and average; 5 for COCO's 1K."),
    ] = None,
    relevance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also measure by the relevance file of ECCV Caption or CxC.")
    ] = None,
    beam: Annotated[int | None, typer.Option(help="Captions: beam width, the captions kept at each step (3).")] = None,
    meteor: Annotated[bool, typer.Option("--meteor", help="Captions: also METEOR, a score that needs Java.")] = False,
    spice: Annotated[bool, typer.Option("--spice", help="Captions: also SPICE, which needs Java and CoreNLP.")] = False,
    rank: Annotated[bool, typer.Option("--rank", help="Captions: rank by likelihood instead.")] = False,
    most: Annotated[int | None, typer.Option(metavar="N", help="With --rank: only the first N pictures.")] = None,
    alignment: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Captions: the run that puts their words on boxes in the report.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write RUN/report-NAME/report.html.")] = True,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Measure a model on a dataset: search (recall) and grounding, or captions against those of people."""
    from wordsight.evaluation.caption_file import measured
    from wordsight.runs.load import load_run
    from wordsight.runs.tasks import TASKS, part
    from wordsight.vision.dual_source import is_dual

    if captions is not None:
        if run or grounding or rank or alignment or folds or relevance or beam is not None or most is not None:
            raise InputError("eval: --captions goes with --data, --split, --meteor and --spice alone.")
        return print_result(*measured(captions, data, split, meteor=meteor, spice=spice), as_json)
    if run is None:
        raise InputError("eval: expected RUN, or --captions FILE.")
    loaded = load_run(run, device)
    asked = {"grounding": grounding, "folds": folds, "relevance": relevance, "beam": beam}
    asked |= {"meteor": meteor, "spice": spice, "rank": rank, "most": most, "alignment": alignment}
    told = {name: value for name, value in asked.items() if value is not None and value is not False}
    if foreign := [name for name in told if name not in loaded.task.options]:
        others = ", or ".join(task.does for task in TASKS.values() if foreign[0] in task.options)
        raise InputError(f"{run}: this run {loaded.task.does}; --{foreign[0]} is for a run that {others}.")
    folder = run / f"report-{split}" if report and not is_dual(run) else None
    figures, table = part(loaded.task.measure)(loaded, data, split, report=folder, **told)
    print_result(figures, table, as_json)


@command
def import_neuraltalk(
    file: Annotated[Path, typer.Argument(metavar="FILE.p", help="A checkpoint of NeuralTalk.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The folder to write the run to.")],
    as_json: Json = False,
) -> None:
    """Make a run from a NeuralTalk checkpoint; no code in the file is run."""
    from wordsight.runs.neuraltalk import import_neuraltalk

    made = import_neuraltalk(file, out)
    said = f"{out}: {made.recipe.model['generator']}, {len(made.vocabulary):,} words"
    print_result({"out": str(out), "words": len(made.vocabulary)}, said, as_json)


@command
def score_captions(
    captions: Annotated[
        Path, typer.Argument(metavar="FILE", help="Captions of any system: COCO results and the like.")
    ],
    model: Model = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="A dataset with the pictures and their references.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Instead: the pictures alone, without references.")
    ] = None,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Score captions by how well they fit their pictures, without references; with references, by CIDEr too."""
    from wordsight.evaluation.caption_scores import score_captions, table
    from wordsight.runs.aligner import load

    found = score_captions(load(run_or_bundled(model, "align"), device), captions, data, pictures)
    print_result(found, table(found), as_json)


@command
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of trained models.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write tables and pages.")],
    data: Annotated[Path | None, typer.Option(metavar="DATA", help="A dataset; by default the first run's.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split to measure on.")] = "val",
    grounding: Annotated[
        bool, typer.Option("--grounding", help="Also compare where phrases are put: pointing and IoU.")
    ] = False,
    query_bank: Annotated[
        int, typer.Option(min=0, metavar="N", help="Correct every run's hubness by N training pictures; 0 for none.")
    ] = 0,
    folds: Annotated[int, typer.Option(min=1, metavar="N", help="Rank N parts of the split, each by itself.")] = 1,
    beam: Annotated[int, typer.Option(min=1, help="Captions: beam width, the captions kept at each step.")] = 3,
    device: Device = "auto",
    allow_hub: AllowHub = False,
    as_json: Json = False,
) -> None:
    """Compare runs on the same pictures: tables, curves, and which differences are significant."""
    from wordsight.comparison.compare import compare

    done = compare(
        runs, out, data, split, grounding=grounding, query_bank=query_bank, folds=folds, beam=beam, device=device
    )
    print_result(done.to_json(), f"{done.markdown()}\n{done.page}", as_json)


@command
def calibrate(
    run: RunFolder,
    data: Annotated[list[Path], typer.Option(metavar="DATA", help="A dataset with a val split; repeatable.")],
    as_json: Json = False,
) -> None:
    """Learn the confidence of a captioner, so that it can say that it does not know."""
    from wordsight.captioning.certain import CERTAIN
    from wordsight.training.calibrate_captions import calibrate_run, table

    figures = calibrate_run(run, data)
    print_result(figures, f"{run / CERTAIN}\n{table(figures)}", as_json)


@command
def export(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx", help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Export the bundled vision network as one ONNX file, for programs without torch."""
    from wordsight.vision.export import export

    export(out)
    size = out.stat().st_size
    print_result({"out": str(out), "bytes": size}, f"{out}: {size / 1e6:.1f} MB", as_json)
