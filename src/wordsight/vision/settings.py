"""Region settings: how pictures become regions, as in a recipe."""

from dataclasses import dataclass
from typing import Literal

from wordsight.errors import InputError

LITE2 = "efficientnet-lite2"  # the backbone and detector that install with the package


@dataclass(frozen=True)
class RegionSettings:
    """Region settings: how pictures become regions.

    Attributes:
        backbones: one or several, concatenated: `filters`, `efficientnet-lite2` (installs with the package), an ONNX
            file, a transformers model's folder or hub id.
        weights: the folder in which files are found by name.
        detector: `efficientnet-lite2` (its proposal head); a YOLOX ONNX file; `blobs`, which needs no weights and finds
            things on a plain background; empty for windows only.
        regions: boxes per picture, including the whole picture.
        grid: n adds an n x n grid of cells that tile the picture, within `regions`; 0 for none.
        detections: most detections among them.
        threshold: least score of a detection, 0 to 1.
        overlap: IoU of non-maximum suppression.
        person_parts: add heads, torsos and legs of persons, and groups: one box around all things of a class.
        pooling: `roi` pools from one map of the picture; `crop` passes every box through the net by itself (R-CNN);
            `both` concatenates them.
        size: side in pixels to which `roi` stretches pictures.
        crop: side in pixels to which `crop` stretches boxes.
        flip: average over the picture and its mirror image.
        geometry: add each box's kind, position, size and score (`place`).
        labels: add the detector's labels of each region (`labels`).
        meaning: add a word vector of each region's classes and labels, by the classifier and the detector (`meaning`);
            needs the backbone `efficientnet-lite2`.
        frames: number of frames of a clip that become regions, spread evenly over its time; 0 for pictures.
        cells: n describes each frame of a clip by n x n cells, concatenated.
    """

    backbones: tuple[str, ...] = ("filters",)
    weights: str = "weights"
    detector: str = ""
    regions: int = 20
    grid: int = 0
    detections: int = 19
    threshold: float = 0.05
    overlap: float = 0.5
    person_parts: bool = False
    pooling: Literal["roi", "crop", "both"] = "roi"
    size: int = 448
    crop: int = 160
    flip: bool = False
    geometry: bool = False
    labels: bool = False
    meaning: bool = False
    frames: int = 0
    cells: int = 1

    def check(self) -> None:
        """Raise InputError for a value out of range, or conflicting values."""
        if not self.backbones:
            raise InputError("regions.backbones is empty, expected at least one, such as 'filters'")
        ranges = {
            "regions": (1, 10_000),
            "grid": (0, 99),
            "detections": (0, 10_000),
            "size": (1, 4096),
            "crop": (1, 4096),
            "frames": (0, 1000),
            "cells": (1, 20),
        }
        for key, (least, most) in ranges.items():
            if not least <= getattr(self, key) <= most:
                raise InputError(f"regions.{key} = {getattr(self, key)}, expected at least {least} and at most {most}")
        if len(self.backbones) > 20:
            raise InputError(f"regions.backbones names {len(self.backbones)}, expected at most 20")
        if self.regions <= self.grid**2:
            raise InputError(
                f"regions.regions = {self.regions}, expected at least {1 + self.grid**2}: "
                f"the whole picture and regions.grid = {self.grid} times as many cells"
            )
        if self.frames and (self.detector or self.geometry or self.labels or self.meaning):
            raise InputError("regions.frames: frames are seen whole; leave detector, geometry, labels and meaning out.")
        if self.cells > 1 and not self.frames:
            raise InputError(f"regions.cells = {self.cells}: cells are of frames; expected with regions.frames.")
        for key in ("threshold", "overlap"):
            if not 0 <= getattr(self, key) <= 1:
                raise InputError(f"regions.{key} = {getattr(self, key)}, expected 0 to 1")
        if self.pooling not in ("roi", "crop", "both"):
            raise InputError(f"regions.pooling = '{self.pooling}', expected 'roi', 'crop' or 'both'")
