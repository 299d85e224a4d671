"""Dual encoder towers: one maps pictures, the other sentences, into one space (extra `hf`).

CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025), as in transformers 4 and 5.
Their own score is exp(t) cos + b, with the model's t and b, then a sigmoid or softmax: it ranks as the cosine does.

A tower's output is not localised: its last attention mixes all patches into one vector. As in MaskCLIP (Zhou et al.
2022), that mixing is skipped, and every patch passes the remaining layers by itself:

    CLIP      z = x + O(V(LN x)) in the last block, then z + MLP(LN z), the last norm and the projection
    SigLIP    z = O(V x) in the head that pools the patches, then z + MLP(LN z)
"""

import math
import threading
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from wordsight.errors import InputError, install
from wordsight.vision.dual_source import DualSource, first_line

_LONG = 16  # greatest aspect ratio; longer pictures are cropped: models read only the centre square
_TEXTS = 256  # sentences at a time
Maps = list[NDArray[np.float32]]


class DualTowers:
    """Dual encoder: pictures and sentences to vectors of length 1.

    Attributes:
        size: D.
        model: the transformers model.
    """

    def __init__(self, source: DualSource, device: torch.device) -> None:
        """Load a model, from safetensors alone: nothing is unpickled, and no code of the model is run.

        Raises:
            InputError: transformers is not installed, or the folder is damaged or incomplete.
        """
        try:
            import transformers
        except ImportError:
            raise InputError(f"{source.name}: needs transformers: {install('hf')}") from None
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._clip, self._device = source.kind == "clip", device
        try:
            with _quietly(transformers):
                self.model, self._processor, self._tokenizer = _loaded(transformers, source)
            self.model.to(device)
            self._vision = _innermost(self.model.vision_model)
            vision, text = self.model.config.vision_config, self.model.config.text_config
            self._side = getattr(vision, "image_size", 0)
            self._longest = min(int(text.max_position_embeddings), self._tokenizer.model_max_length)
            self._lower = bool(self._tokenizer.init_kwargs.get("do_lower_case"))
            self.size = self.sentences(["a"]).shape[1]
            whole, maps = self.pictures([Image.new("RGB", (40, 30))])
            if whole.shape[1] != self.size or maps[0].shape[0] != self.size:
                raise ValueError("its towers end in spaces of different sizes")
        except Exception as error:
            raise InputError(
                f"{source.name}: damaged or incomplete, expected config.json, model.safetensors and the files of its "
                f"image processor and tokenizer ({first_line(error)})"
            ) from None

    @torch.inference_mode()
    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Encode N sentences as vectors (N, D), independent of the batch; truncate long ones to the model's length."""
        if not texts:
            return torch.zeros(0, self.size, device=self._device)
        found = [self._sentences(texts[first : first + _TEXTS]) for first in range(0, len(texts), _TEXTS)]
        return torch.cat(found)

    def _sentences(self, texts: Sequence[str]) -> Tensor:
        sound = [text.encode(errors="replace").decode() for text in texts]
        with self._reading:  # a call changes the tokenizer's settings
            said = self._tokenizer(
                [text.lower() for text in sound] if self._lower else sound,
                padding=True if self._clip else "max_length",  # SigLIP reads the last position, padding or not
                truncation=True,
                max_length=self._longest,
                return_tensors="pt",
            )
        known = {key: said[key].to(self._device) for key in ("input_ids", "attention_mask") if key in said}
        return normalize(_pooled(self.model.get_text_features(**known)), dim=-1)

    @torch.inference_mode()
    def pictures(self, images: Sequence[Image.Image]) -> tuple[Tensor, Maps]:
        """Encode RGB pictures as vectors (B, D), and each as a dense map (D, h, w) of the whole picture.

        A model that crops the centre runs again for the map, on the whole picture stretched to its input.
        """
        images = [_shortened(image) for image in images]
        inputs = self._processor(images=images, return_tensors="pt")
        with self._lock:  # torch runs one call on all cores
            whole, maps = self._look(inputs)
            if getattr(self._processor, "do_center_crop", False):
                size = {"height": self._side, "width": self._side}
                stretched = self._processor(images=images, return_tensors="pt", size=size, do_center_crop=False)
                pairs = zip(stretched["pixel_values"], inputs["pixel_values"], strict=True)
                other = [row for row, (one, seen) in enumerate(pairs) if not torch.equal(one, seen)]
                if other:
                    again = self._look({"pixel_values": stretched["pixel_values"][other]})[1]
                    for row, found in zip(other, again, strict=True):
                        maps[row] = found
        return whole, maps

    def _look(self, inputs: Any) -> tuple[Tensor, Maps]:
        """One pass over B pictures: vectors (B, D) of length 1, and their maps."""
        seen: list[Tensor] = []

        def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.append(args[0] if args else kwargs["hidden_states"])

        last = self._vision.encoder.layers[-1] if self._clip else self._vision.head
        hook = last.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            told = {key: value.to(self._device) for key, value in inputs.items()}
            whole = normalize(_pooled(self.model.get_image_features(**told)), dim=-1)
        finally:
            hook.remove()
        patches = (self._clip_patches(seen[0]) if self._clip else self._siglip_patches(seen[0])).float().cpu()
        shapes = (
            told["spatial_shapes"].tolist()
            if "spatial_shapes" in told
            else [(math.isqrt(patches.shape[1]),) * 2] * len(patches)
        )
        return whole, [
            row[: height * width].T.reshape(-1, height, width).numpy()
            for row, (height, width) in zip(patches, shapes, strict=True)
        ]

    def _clip_patches(self, tokens: Tensor) -> Tensor:
        """Input of the last block (B, 1 + P, F) -> unmixed patches (B, P, D)."""
        block = self._vision.encoder.layers[-1]
        patches = tokens[:, 1:]  # the first is the class token
        patches = patches + block.self_attn.out_proj(block.self_attn.v_proj(block.layer_norm1(patches)))
        patches = patches + block.mlp(block.layer_norm2(patches))
        projected: Tensor = self.model.visual_projection(self._vision.post_layernorm(patches))
        return projected

    def _siglip_patches(self, tokens: Tensor) -> Tensor:
        """Input of the pooling head (B, P, F) -> unmixed patches (B, P, D), D = F."""
        head = self._vision.head
        weight, bias = head.attention.in_proj_weight.chunk(3)[2], head.attention.in_proj_bias.chunk(3)[2]
        patches: Tensor = head.attention.out_proj(linear(tokens, weight, bias))
        return patches + head.mlp(head.layernorm(patches))


def _loaded(transformers: Any, source: DualSource) -> tuple[Any, Any, Any]:
    """Load the model, its image processor and its tokenizer."""
    folder, here = str(source.folder), {"local_files_only": True, "trust_remote_code": False}
    model, told = transformers.AutoModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **here)
    missing = sorted(key for key in told["missing_keys"] if not key.endswith("position_ids"))
    if missing:  # missing weights would be random
        raise ValueError(f"its weights lack {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""))
    if source.kind != "clip" and getattr(_innermost(model.vision_model), "head", None) is None:
        raise ValueError("its vision tower has no pooling head")
    processor = transformers.AutoImageProcessor.from_pretrained(folder, **here)
    return (
        model.float().eval().requires_grad_(False),
        processor,
        transformers.AutoTokenizer.from_pretrained(folder, **here),
    )


@contextmanager
def _quietly(transformers: Any) -> Any:
    """Suppress progress bars and warnings on stderr while loading."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)


def _innermost(tower: Any) -> Any:
    """The tower itself, without the wrapper of some versions."""
    return getattr(tower, "vision_model", tower)


def _pooled(output: Any) -> Tensor:
    """A tower's vectors: transformers 4 returns them directly, 5 inside an output object."""
    found: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return found.float()


def _shortened(image: Image.Image) -> Image.Image:
    """Crop a very long picture to its centre: enlarged to the model's size, it would not fit into memory."""
    width, height = image.size
    most = _LONG * min(width, height)
    if max(width, height) <= most:
        return image
    left, top = max(width - most, 0) // 2, max(height - most, 0) // 2
    return image.crop((left, top, width - left, height - top))
