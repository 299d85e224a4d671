"""An index as a process has it open: it notices when another one takes its place."""

import os
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from wordsight.bundled import in_the_box
from wordsight.errors import InputError
from wordsight.files import reason
from wordsight.matching.score import Rule
from wordsight.runs.aligner import Aligner, load
from wordsight.search.catalog import FILE, Catalog
from wordsight.search.identity import fingerprint, is_ours, read_id
from wordsight.search.paths import Paths
from wordsight.search.snapshot import Snapshot
from wordsight.search.text_search import Texts
from wordsight.search.vectors import Segments
from wordsight.vision.backbones import check_foreign
from wordsight.vision.dual_source import HUB, content_of, find_dual
from wordsight.vision.settings import RegionSettings

TRIES = 5  # times that an index may be replaced while one question is answered


class Identity(NamedTuple):
    """What tells an index from others that stand in the same folder before or after it: its id, and which file it is.

    Copies have the same id, and a file system may give a new file the number of one that is gone; not both at once.
    """

    id: str
    device: int
    inode: int


def identity(folder: Path) -> Identity:
    """Which index stands in a folder now.

    Raises:
        InputError: there is none, or the drive does not say.
    """
    try:
        found = os.stat(folder / FILE)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(f"{folder}: not an index (no {FILE}); `wordsight index build` makes one.") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({reason(error)}).") from None
    return Identity(read_id(folder), found.st_dev, found.st_ino)


class Opened:
    """One index, whatever takes its place in its folder later.

    Attributes:
        folder: where it is.
        device: where pictures and sentences are encoded.
        identity: which one it is.
        facts: about the whole index: `size`, `model`, `made`, `home`.
        paths: what its pictures are called.
        segments: their vectors.
    """

    def __init__(self, folder: Path, device: str, last: "Opened | None" = None) -> None:
        """Open what is there now.

        Args:
            folder: of the index.
            device: where to encode.
            last: what was there before; its model is kept, if it is the same.

        Raises:
            InputError: there is no index, or it is damaged or of a newer version.
        """
        self.folder, self.device = folder, device
        self.identity = identity(folder)
        if not is_ours(folder):
            raise InputError(f"{folder}: not an index; its {FILE} is not one of wordsight.")
        with Catalog(folder) as catalog:
            self.facts = {name: catalog.fact(name) for name in ("size", "model", "made", "home")}
        if not self.facts["size"].isdecimal() or not int(self.facts["size"]):
            raise InputError(f"{folder}: an index that was never finished; `wordsight index build` finishes it.")
        self.paths = Paths(folder, self.facts["made"])
        self.segments = Segments(folder / "vectors", int(self.facts["size"]))
        self._last: Snapshot | None = None
        self._texts: tuple[str, Texts] | None = None
        if last and all(self.facts[name] == last.facts[name] for name in ("model", "home")) and "run" in vars(last):
            self.run = last.run

    def is_current(self) -> bool:
        """Whether it is still the one that stands in its folder."""
        try:
            return identity(self.folder) == self.identity
        except InputError:
            return False

    def generation(self) -> str:
        """How often it was changed until now.

        Raises:
            InputError: the catalogue cannot be read.
        """
        with Catalog(self.folder) as catalog:
            return catalog.fact("generation")

    def check(self) -> None:
        """That it is still there.

        Raises:
            InputError: it is gone, or another one is in its place.
        """
        if not self.is_current():
            raise InputError(f"{self.folder}: the index was replaced or taken away meanwhile; run the command again.")

    def forget(self) -> None:
        """Read it anew when it is looked at again."""
        self._last = self._texts = None

    @property
    def bundled(self) -> bool:
        """Whether its model is the bundled one."""
        return self.facts["home"] == "box"

    @cached_property
    def run(self) -> Aligner:
        """The model of the index.

        Raises:
            InputError: it is missing, damaged or another than the vectors are of.
        """
        if self.facts["home"] not in ("box", "model"):
            return self._dual(self.facts["home"])
        home = in_the_box("align") if self.bundled else self.folder / "model"
        found = load(home, self.device)
        if fingerprint(home) != self.facts["model"]:
            if self.bundled:
                raise InputError(
                    f"{self.folder}: was built with the small model of another version of wordsight; delete it and "
                    "build it anew, or build one with --model RUN, which keeps its model."
                )
            raise InputError(f"{home}: not the model that this index was built with.")
        return found

    def _dual(self, home: str) -> Aligner:
        """The dual encoder of the index, where it was when the index was built.

        Raises:
            InputError: it is not there, another one is, or it would have to be fetched.
        """
        check_foreign(RegionSettings(weights=home), str(self.folder))
        if not home.startswith(HUB) and not os.path.isdir(home):
            raise InputError(
                f"{self.folder}: its model is not at {home} any more; put it back, or name its folder with `wordsight "
                "index build --model`."
            )
        try:
            same = content_of(find_dual(home, consent=False)) == self.facts["model"]
        except InputError as error:
            raise InputError(f"{self.folder}: cannot use its model; {error}") from None
        if not same:
            raise InputError(f"{home}: not the model that {self.folder} was built with; it has changed since.")
        return load(home, self.device)

    @property
    def rule(self) -> Rule:
        """How words make a score."""
        return self.run.model.rule or Rule()

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The index as a reading catalogue sees it; kept until it changes.

        Raises:
            InputError: a file of vectors is cut short.
        """
        generation, last = catalog.fact("generation"), self._last
        if last is not None and last.generation == generation:
            return last
        self._last = found = Snapshot.read(catalog, self.segments)
        return found

    def texts(self, catalog: Catalog) -> Texts:
        """The text in its pictures as a reading catalogue sees it; kept until it changes.

        Raises:
            InputError: no text was read for this index.
        """
        generation = catalog.fact("generation")
        if self._texts is None or self._texts[0] != generation:
            self._texts = generation, Texts.read(catalog)
        return self._texts[1]
