"""Sketch runs, which find photos by a drawing: their folder, and how they encode photos and drawings.

config.json        the model's keywords, the columns of the views, and the fingerprint of the views
model.safetensors  the projections
metrics.json       which views were kept, with which share, and how well sketches found photos left out of the training
views.svg          the views that were kept, drawn
README.md          the model card

Without a run, drawings and photos are compared by some of the views as they are.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wordsight.errors import InputError
from wordsight.files import field, read_json, to_json, write_bytes, write_text
from wordsight.matching.coupled_subspaces import CoupledSubspaces, Fit
from wordsight.runs import weights
from wordsight.runs.typed import keywords
from wordsight.vision.drawings import Floats
from wordsight.vision.images import Source
from wordsight.vision.sketch_views import SketchViews

FORMAT = 1
CONFIG, WEIGHTS, METRICS = "config.json", "model.safetensors", "metrics.json"
FILES = (CONFIG, WEIGHTS, METRICS, "views.svg", "README.md")
UNLEARNED = ("hog8", "hog16", "middle_edges", "late_edges")  # views that are compared as they are, without a run

CARD = """# A wordsight model: sketches

Finds photos by a drawing: coupled subspaces of {views} views, learned from {sketches:,} sketches of {photos:,} photos
({data}). Without their photo in the training, sketches found it with a mean reciprocal rank of {score:.3f}.

Use: `wordsight index sketch INDEX --model RUN`, then `wordsight search INDEX --sketch drawing.png`.

The licences of the training pictures and of the backbone's weights hold for what is made from them.
"""


class Sketcher:
    """Encodes photos and drawings as vectors whose inner product says how well they fit.

    Attributes:
        folder: of the run; None without a run.
        size: D, of a vector.
        fingerprint: equal for sketchers that give the same vectors.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Open a run; None compares the views `UNLEARNED` as they are.

        Raises:
            InputError: it is not a sketch run, or damaged; or scikit-image is not installed.
        """
        self.folder, self._photos = folder, SketchViews("photo")
        views, self._model = self._photos.blocks, None
        if folder is None:
            self._columns = torch.cat([torch.arange(views[name].start, views[name].stop) for name in UNLEARNED])
            self.size, told = len(self._columns), "unlearned"
        else:
            self._model, told = load(folder, self._photos)
            self.size = self._model.rank
        self.fingerprint = f"{self._photos.fingerprint} {told}"

    @property
    def learned(self) -> bool:
        """Whether it is a trained run."""
        return self._model is not None

    @cached_property
    def _sketches(self) -> SketchViews:
        return SketchViews("sketch")

    @torch.inference_mode()
    def encode_photo(self, source: Source) -> tuple[Tensor, Floats]:
        """A photo as a vector (D,) of length 1, and its edge map.

        Raises:
            InputError: it cannot be opened.
        """
        views, ink = self._photos.views(source)
        rows = torch.from_numpy(views)[None]
        found = rows[:, self._columns] if self._model is None else self._model.encode_photos(rows)
        return normalize(found[0], dim=0), ink

    @torch.inference_mode()
    def encode_sketch(self, source: Source) -> tuple[Tensor, Floats]:
        """A drawing as a vector (D,) of length 1, and its ink map.

        Raises:
            InputError: it cannot be opened, is empty, or is a photograph.
        """
        views, ink = self._sketches.views(source)
        rows = torch.from_numpy(views)[None]
        found = rows[:, self._columns] if self._model is None else self._model.encode_sketches(rows)
        return normalize(found[0], dim=0), ink


def save(folder: Path, model: CoupledSubspaces, views: Mapping[str, slice], fit: Fit, told: Mapping[str, Any]) -> None:
    """Write a run; `config.json` comes last.

    Raises:
        InputError: the folder cannot be written.
    """
    columns = {name: [block.start, block.stop] for name, block in views.items()}
    config = {"format": FORMAT, "model": "sketches", "config": dict(model.config), "views": columns}
    write_bytes(folder / WEIGHTS, weights.to_bytes(model.state_dict()))
    write_text(folder / METRICS, to_json(fit._asdict() | dict(told), indent=1))
    write_text(folder / "views.svg", drawn(fit))
    kept = sum(fit.shared[name] + fit.own[name] > 0 for name in views)
    write_text(folder / "README.md", CARD.format(views=kept, score=fit.score, **told))
    source = SketchViews("photo").fingerprint
    write_text(folder / CONFIG, to_json(config | {"source": source}, indent=1))


def load(folder: Path, source: SketchViews) -> tuple[CoupledSubspaces, str]:
    """The model of a run, and a fingerprint of its weights.

    Raises:
        InputError: it is not a sketch run, or it is damaged or of other views.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{folder}: not a run for sketches (no {CONFIG}); `wordsight sketch train` makes one.")
    config = read_json(path)
    if not isinstance(config, dict) or config.get("model") != "sketches" or config.get("format") != FORMAT:
        raise InputError(f"{path}: not a run for sketches; expected what `wordsight sketch train -o RUN` wrote.")
    if field(config, "source", str, str(path)) != source.fingerprint:
        raise InputError(f"{path}: was trained on views of another wordsight; train it again.")
    told = field(config, "config", dict, str(path))
    if told.get("size") != source.size or not isinstance(told.get("rank"), int) or not 0 < told["rank"] <= 4096:
        raise InputError(f"{path}: damaged; expected a model of {source.size} columns.")
    try:
        checked = keywords(CoupledSubspaces.__init__, told, "config", str(path))
        model = weights.skeleton(lambda: CoupledSubspaces(**checked))
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{path}: damaged; its keywords are not those of the model.") from None
    weights.load(folder / WEIGHTS, model)
    model.eval()
    return model, f"{float(model.photo.double().sum()):.9e} {float(model.sketch.double().abs().sum()):.9e}"


def drawn(fit: Fit) -> str:
    """Which views were kept, as bars in an SVG."""
    rows = []
    for place, name in enumerate(fit.own):
        y, shared, own = 34 + 22 * place, fit.shared.get(name, 0.0), fit.own[name]
        rows.append(f'<text x="108" y="{y + 12}" text-anchor="end">{name}</text>')
        rows.append(f'<rect x="116" y="{y}" width="{300 * shared:.1f}" height="15" fill="#4477aa"/>')
        rows.append(f'<rect x="{116 + 300 * shared:.1f}" y="{y}" width="{300 * own:.1f}" height="15" fill="#ee9944"/>')
        text = f"{100 * (shared + own):.0f} %" if shared + own else "dropped"
        rows.append(f'<text x="{122 + 300 * (shared + own):.1f}" y="{y + 12}">{text}</text>')
    title = '<text x="8" y="20">share of each view: blue by the shared part, orange by each side\'s own</text>'
    size = f'width="500" height="{44 + 22 * len(fit.own)}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([start, '<rect width="100%" height="100%" fill="white"/>', title, *rows, "</svg>\n"])
