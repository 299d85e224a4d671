"""Paint a world, learn it from pictures and sentences, and measure against the painter's truth."""

from pathlib import Path

from wordsight.data.painted import paint_world
from wordsight.measure import measure, table
from wordsight.run import load
from wordsight.training.progress import Progress
from wordsight.training.recipe import read
from wordsight.training.trainer import train

PICTURES = 600


def demo(out: Path, progress: Progress | None = None, pictures: int = PICTURES) -> dict[str, float]:
    """Paint, train, measure; the second time, what is there already is used.

    Args:
        out: the folder for the world (`world`), the model (`run`) and the report (`run/report-test`).
        progress: who is told how far it is.
        pictures: how large a world.

    Returns:
        The figures of `measure` on the world's test split, grounding with them.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    progress = progress or Progress()
    progress.say(f"painting {pictures} pictures in {out / 'world'}")
    world = paint_world(out / "world", pictures=pictures)
    recipe = read(recipe_path(), [f"data.path='{world.as_posix()}'"])
    progress.say("learning which words name which parts of them, from pictures and sentences alone")
    train(recipe, out / "run", resume=True, progress=progress)
    progress.say("measuring against what was really painted")
    return measure(load(out / "run"), world, "test", grounding=True, report=report_folder(out), progress=progress)


def story(figures: dict[str, float], out: Path) -> str:
    """What came out, for a person, and where to look."""
    recall, by_chance = figures["t2i_R@1"], figures["chance_t2i_R@1"]
    pointing, lots = figures["grounding_pointing"], figures["grounding_random_pointing"]
    return (
        f"{table(figures)}\n\n"
        f"Of {figures['pictures']:,} pictures, the right one comes first for {recall:.0f} % of the sentences "
        f"(chance: {by_chance:.1f} %).\n"
        f"It was never told where anything is, and points at the right thing for {pointing:.0f} % of the phrases "
        f"(chance: {lots:.0f} %).\n\n"
        f"Look at   {report_folder(out) / 'report.html'}\n"
        f'Try       wordsight ground {out / "run"} {out / "world" / "images"}/PICTURE "a red circle" -o out.png'
    )


def report_folder(out: Path) -> Path:
    """Where the demo's report is."""
    return out / "run" / "report-test"


def recipe_path() -> Path:
    """The demo's recipe: in the installed package, or in the checkout's `recipes`."""
    installed = Path(__file__).with_name("demo.toml")
    return installed if installed.exists() else Path(__file__).parents[2] / "recipes" / "demo.toml"
