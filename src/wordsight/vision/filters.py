"""Filter-bank backbone without weights: colour names, edges and textures."""

import hashlib
import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

# Colour names (RGB, 0 to 255); pixels are softly assigned to the nearest in opponent colours (`_opponent`).
_COLOURS = {
    "red": (214, 40, 40),
    "orange": (244, 140, 30),
    "yellow": (246, 214, 50),
    "green": (60, 160, 70),
    "teal": (40, 170, 170),
    "blue": (45, 90, 200),
    "purple": (130, 70, 170),
    "pink": (240, 130, 180),
    "brown": (130, 85, 50),
    "skin": (225, 175, 140),
    "black": (20, 20, 20),
    "grey": (128, 128, 128),
    "white": (242, 242, 242),
}
_ANGLES = 6
_WAVELENGTHS = (4.0, 8.0)
_STRIDE = 8


class FilterBackbone:
    """Filter-bank backbone: colour names and Gabor energies, averaged over cells of 8 x 8 pixels.

    Each colour gives its share of the cell's pixels. Each orientation and wavelength gives the energy of a quadrature
    pair of Gabor filters on brightness (the strength of edges or stripes in that direction): its mean and spread in the
    cell, and its mean over 3 x 3 cells. Four more features are the mean and spread of brightness, and the sum and
    maximum of colour changes. Enough to distinguish painted shapes; on photographs it complements a trained net.
    """

    name = "filters"
    stride = _STRIDE
    batch = 1

    def __init__(self) -> None:
        """Build the filters; no weights are loaded."""
        self._palette = _opponent(torch.tensor(list(_COLOURS.values()), dtype=torch.float32)[:, :, None, None])
        self._bank = _gabor_bank()  # (2 x angles x wavelengths, 1, k, k)
        self.size = len(_COLOURS) + 3 * _ANGLES * len(_WAVELENGTHS) + 4
        numbers = (self._palette.numpy(), self._bank.numpy())
        self.content = hashlib.sha256(b"filters 1" + b"".join(x.round(4).tobytes() for x in numbers)).hexdigest()

    @torch.no_grad()
    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Backbone.feature_map`."""
        picture = torch.from_numpy(batch)  # (B, 3, H, W)
        colours = _pool(self._colours(picture))  # (B, C, h, w)
        energies = self._energies(picture)  # (B, A x L, H, W)
        mean = _pool(energies)
        spread = (_pool(energies**2) - mean**2).clamp(min=0).sqrt()
        wide = F.avg_pool2d(F.pad(mean, (1, 1, 1, 1), mode="replicate"), 3, 1)
        edges = (colours - F.avg_pool2d(F.pad(colours, (1, 1, 1, 1), mode="replicate"), 3, 1)).abs()
        light = picture.mean(1, keepdim=True) / 255
        extra = torch.cat([_pool(light), (_pool(light**2) - _pool(light) ** 2).clamp(min=0).sqrt()], 1)
        change = torch.stack([edges.sum(1), edges.amax(1)], 1)
        return torch.cat([colours, mean, spread, wide, extra, change], 1).numpy()

    def _colours(self, picture: Tensor) -> Tensor:
        """Soft assignment of each pixel to colours (B, C, H, W); sums to 1 over colours."""
        there = _opponent(picture)  # (B, 3, H, W)
        distance = torch.stack([((there - colour) ** 2).sum(1) for colour in self._palette], 1)
        return torch.softmax(-distance / 0.02, 1)

    def _energies(self, picture: Tensor) -> Tensor:
        """Square root of the energy of each quadrature pair (B, A x L, H, W)."""
        light = picture.mean(1, keepdim=True) / 255  # (B, 1, H, W)
        reach = self._bank.shape[-1] // 2
        response = F.conv2d(F.pad(light, (reach,) * 4, mode="replicate"), self._bank)
        even, odd = response.chunk(2, 1)
        return (even**2 + odd**2 + 1e-8).sqrt()


def _pool(maps: Tensor) -> Tensor:
    return F.avg_pool2d(maps, _STRIDE)


def _opponent(rgb: Tensor) -> Tensor:
    """RGB (N, 3, H, W), 0 to 255, to opponent colours (brightness, red-green, yellow-blue); saturation spreads hues."""
    red, green, blue = (rgb / 255).unbind(1)
    light = 0.3 * red + 0.6 * green + 0.1 * blue
    return torch.stack([0.6 * light, red - green, 0.5 * (red + green) - blue], 1)


def _gabor_bank() -> Tensor:
    """Gabor filters (2 x A x L, 1, k, k): all even ones, then all odd ones; each of mean 0 and length 1."""
    reach = 8
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    even: list[Tensor] = []
    odd: list[Tensor] = []
    for wavelength in _WAVELENGTHS:
        envelope = torch.exp(-(x**2 + y**2) / (2 * (0.45 * wavelength) ** 2))
        for k in range(_ANGLES):
            angle = math.pi * k / _ANGLES
            phase = 2 * math.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle))
            for filters, wave in ((even, torch.cos(phase)), (odd, torch.sin(phase))):
                kernel = envelope * wave
                kernel = kernel - envelope * (kernel.sum() / envelope.sum())
                filters.append(kernel / kernel.norm())
    return torch.stack(even + odd)[:, None]
