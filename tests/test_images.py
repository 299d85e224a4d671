"""Any picture opens upright, as RGB of 8 bits; anything else is one clear error."""

import io
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import InputError
from wordsight.vision.headers import media_type, read_header
from wordsight.vision.images import TooManyPixels, open_image, pixels


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def gradient() -> Image.Image:
    ramp = np.arange(64, dtype=np.uint8)[None].repeat(32, 0) * 4
    return Image.fromarray(np.stack([ramp, ramp.max() - ramp, ramp // 2], -1))


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "LA", "RGBA", "I;16", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 12), 40000, np.uint16))
    elif mode == "F":
        image = Image.fromarray(np.full((8, 12), 0.5, np.float32))
    else:
        image = Image.new("RGB", (12, 8), "orange").convert(mode)
    opened = open_image(image)
    assert (opened.mode, opened.size) == ("RGB", (12, 8))


def test_16_bits_are_scaled_and_not_clipped() -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    opened = open_image(encoded(Image.fromarray(values), "PNG"))
    assert np.asarray(opened)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_transparency_lies_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 255, 128))
    opened = open_image(encoded(image, "PNG"))
    assert opened.getpixel((0, 0)) == (255, 255, 255)
    assert opened.getpixel((1, 0)) == (127, 127, 255)
    palette = Image.new("P", (1, 1))
    assert open_image(encoded(palette, "GIF", transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees to see it upright
    opened = open_image(encoded(gradient(), "JPEG", exif=exif))
    assert opened.size == (32, 64)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    opened = open_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert opened.getpixel((4, 4)) == (255, 0, 0)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(encoded(Image.new("1", (3000, 2000)), "PNG"))
    with pytest.raises(InputError, match=r"bomb\.png.*3000 x 2000"):
        open_image(path, max_pixels=1_000_000)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    whole = encoded(gradient(), "JPEG")
    for name, content in (("text.jpg", b"no picture"), ("empty.png", b""), ("cut.jpg", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name) as caught:
            open_image(tmp_path / name)
        assert "object at 0x" not in str(caught.value)
    with pytest.raises(InputError, match=r"gone\.jpg: no such picture"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="folder"):
        open_image(tmp_path)


def heic(image: Image.Image, **exif: object) -> bytes:
    """A picture as a phone writes it."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    tags = Image.Exif()
    for tag, value in ((0x0112, exif.get("turn")), (0x010F, exif.get("make")), (0x0132, exif.get("taken"))):
        if value:
            tags[tag] = value
    out = io.BytesIO()
    image.save(out, "HEIF", **({"exif": tags.tobytes()} if exif else {}))
    return out.getvalue()


def test_heic_is_upright_and_its_header_says_what_took_it(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 48), "red")
    image.paste("blue", (0, 0, 32, 48))
    for turn, size, corner in (
        (1, (64, 48), "blue"),
        (3, (64, 48), "red"),
        (6, (48, 64), "blue"),
        (8, (48, 64), "red"),
    ):
        (tmp_path / "phone.heic").write_bytes(heic(image, turn=turn, make="Apple", taken="2024:05:17 10:10:10"))
        opened = open_image(tmp_path / "phone.heic")
        first = opened.getpixel((3, 3))
        assert opened.mode == "RGB" and opened.size == size
        assert isinstance(first, tuple) and (first[2] > 200) == (corner == "blue"), turn
        header = read_header((tmp_path / "phone.heic").read_bytes())
        assert header is not None and (header.width, header.height) == size
        assert (header.make, header.taken) == ("Apple", datetime(2024, 5, 17, 10, 10, 10))
        with (tmp_path / "phone.heic").open("rb") as file:
            assert media_type(file) == "image/heif"
    assert open_image(heic(image)).size == (64, 48), "one without EXIF data"
    assert open_image(heic(image.convert("RGBA"))).mode == "RGB"


def test_heic_has_the_same_limits(tmp_path: Path) -> None:
    whole = heic(Image.new("RGB", (640, 480), "red"))
    with pytest.raises(TooManyPixels, match="640 x 480 pixels are more than the limit"):
        open_image(whole, max_pixels=300_000)
    at = whole.index(b"ispe") + 8
    huge = whole[:at] + (60_000).to_bytes(4, "big") * 2 + whole[at + 8 :]
    for content in (huge, whole[: len(whole) // 2], whole[:40], b"\0\0\0\x18ftypheic"):
        (tmp_path / "bad.heic").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.heic: "):
            open_image(tmp_path / "bad.heic")


def test_no_other_program_is_run_to_read_a_picture() -> None:
    with pytest.raises(InputError, match="unknown kind"):
        open_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")


def test_a_large_jpeg_may_be_decoded_smaller() -> None:
    data = encoded(gradient().resize((1600, 800)), "JPEG")
    assert open_image(data, at_least=200).size == (400, 200)
    assert open_image(data).size == (1600, 800)


def test_pixels_are_rgb_in_front_and_stretched() -> None:
    image = Image.new("RGB", (10, 20), (10, 20, 30))
    values = pixels(image, (4, 6))
    assert values.shape == (3, 4, 6) and values.dtype == np.float32
    assert values[:, 0, 0].tolist() == [10, 20, 30]
