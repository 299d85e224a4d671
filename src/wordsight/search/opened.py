"""An open index, which notices when another index replaces it in its folder."""

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

TRIES = 5  # attempts at a query while the index keeps being replaced


class Identity(NamedTuple):
    """Identity of an index: its id and its file, which tell it from earlier and later indexes in the same folder.

    Copies share an id, and a file system may reuse the inode number of a deleted file; both do not happen at once.
    """

    id: str
    device: int
    inode: int


def identity(folder: Path) -> Identity:
    """The identity of the index that is in a folder now.

    Raises:
        InputError: there is none, or the drive cannot be read.
    """
    try:
        found = os.stat(folder / FILE)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(f"{folder}: not an index (no {FILE}); `wordsight index build` makes one.") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({reason(error)}).") from None
    return Identity(read_id(folder), found.st_dev, found.st_ino)


class Opened:
    """One open index; it stays this one, even if another replaces it in its folder.

    Attributes:
        folder: where it is.
        device: where pictures and sentences are encoded.
        identity: tells it from an index that replaces it.
        facts: about the whole index: `size`, `model`, `made`, `home`.
        paths: translates between names of pictures and files.
        segments: the pictures' vectors.
    """

    def __init__(self, folder: Path, device: str, last: "Opened | None" = None) -> None:
        """Open the index that is in a folder now.

        Args:
            folder: of the index.
            device: where to encode.
            last: the index opened there before; its loaded model is reused if this one has the same.

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
        """Whether it is still the index in its folder."""
        try:
            return identity(self.folder) == self.identity
        except InputError:
            return False

    def generation(self) -> str:
        """The number of its changes so far.

        Raises:
            InputError: the catalogue cannot be read.
        """
        with Catalog(self.folder) as catalog:
            return catalog.fact("generation")

    def check(self) -> None:
        """Check that it is still in its folder.

        Raises:
            InputError: it is gone, or another index has replaced it.
        """
        if not self.is_current():
            raise InputError(f"{self.folder}: the index was replaced or taken away meanwhile; run the command again.")

    def forget(self) -> None:
        """Drop the cached snapshot and texts; they are read again at the next use."""
        self._last = self._texts = None

    @property
    def bundled(self) -> bool:
        """Whether its model is the bundled model."""
        return self.facts["home"] == "box"

    @cached_property
    def run(self) -> Aligner:
        """The model of the index.

        Raises:
            InputError: it is missing or damaged, or not the model that made the vectors.
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
        """The dual encoder of the index, loaded from where it was when the index was built.

        Raises:
            InputError: it is not there, another one is there, or it would have to be downloaded.
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
        """How the model makes a score of word-region products."""
        return self.run.model.rule or Rule()

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The snapshot that a catalogue open for reading sees; cached until the index changes.

        Raises:
            InputError: a file of vectors is cut short.
        """
        generation, last = catalog.fact("generation"), self._last
        if last is not None and last.generation == generation:
            return last
        self._last = found = Snapshot.read(catalog, self.segments)
        return found

    def texts(self, catalog: Catalog) -> Texts:
        """The text in its pictures, as a catalogue open for reading sees it; cached until the index changes.

        Raises:
            InputError: no text was read for this index.
        """
        generation = catalog.fact("generation")
        if self._texts is None or self._texts[0] != generation:
            self._texts = generation, Texts.read(catalog)
        return self._texts[1]
