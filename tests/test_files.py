"""Files in and out: only regular ones are read, JSON is JSON, locks say what is wrong, names cannot move a terminal."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wordsight import locks
from wordsight.errors import InputError, printable
from wordsight.files import parse_json, read_bytes, read_json, read_text, reason, to_json, write_bytes


def test_a_socket_and_a_text_that_is_too_large_are_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(InputError, match="not a regular file"):
            read_text(tmp_path / "socket")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match="expected at most 1,073,741,824 bytes"):
        read_text(tmp_path / "large")


def test_a_key_that_is_twice_among_very_many_is_found_at_once() -> None:
    many = ",".join(f'"{number}": 0' for number in range(50_000))
    with pytest.raises(InputError, match="the key '7' is there twice"):
        parse_json(f'{{{many}, "7": 1}}', "x", strict=True)


def test_a_pipe_a_device_and_a_folder_are_refused_before_they_can_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    descriptors = Path("/proc/self/fd")
    before = len(os.listdir(descriptors)) if descriptors.exists() else 0
    for name in ("pipe", "zero", ".", "no", "a\0b", "a" * 65_000):
        with pytest.raises(OSError):
            read_bytes(tmp_path / name)
        with pytest.raises(InputError, match="cannot be read"):
            read_text(tmp_path / name)
    assert not before or len(os.listdir(descriptors)) < before + 6, "what was refused is closed again"


def test_text_has_line_feeds_and_no_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(tmp_path / "a.txt") == "a\nb\nc\n"


def test_what_is_written_is_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_bytes(path, b"[1]")
    write_bytes(path, b"[2]")
    assert path.read_bytes() == b"[2]"
    assert os.listdir(path.parent) == ["a.json"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_bytes(tmp_path / "folder", b"x")
    assert sorted(os.listdir(tmp_path)) == ["folder", "new"]


@pytest.mark.parametrize("text", ["[NaN]", '{"a": -Infinity}', "[1e999]", "[-1e400]"])
def test_strict_json_has_no_number_that_json_has_not(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not valid JSON"):
        parse_json(text, "x", strict=True)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json", strict=True)
    parse_json(text, "x")  # a dataset may hold them where nobody looks


def test_json_out_is_json() -> None:
    text = to_json({"a": float("nan"), "b": (float("inf"), "\udcff", "é", True, None, 3), "\ud800": 1.5})
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == {
        "a": None,
        "b": [None, "\\udcff", "é", True, None, 3],
        "\\ud800": 1.5,
    }
    assert to_json("é", ascii_only=True) == '"\\u00e9"'


def test_a_name_cannot_move_the_cursor_or_break_a_line() -> None:
    assert printable("a\x1b[31mb\nc\u202e.jpg") == "a\\x1b[31mb\\nc\\u202e.jpg"
    assert printable("two\nlines\x07", lines=True) == "two\nlines\\x07"
    for kept in ("दिन", "می\u200cخواهم", "ünï", "👩\u200d🚒", "plain name.jpg"):
        assert printable(kept) == kept
    assert printable("\udcff") == "\\udcff"


def test_one_process_has_the_lock_and_the_other_is_told(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from wordsight.locks import locked\n"
        "with locked(Path(sys.argv[1]), 'another process is here'): print('in')"
    )
    with locks.locked(tmp_path, "busy"):
        done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
        assert "another process is here; wait until it is done" in done.stderr
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == "in\n", done.stderr
    assert os.listdir(tmp_path) == ["lock"]


def test_a_drive_without_locks_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "has_locks", lambda folder: False)
    with (
        locks.locked(tmp_path, "busy"),
        pytest.raises(InputError, match="this drive does not support locks"),
        locks.locked(tmp_path, "busy"),
    ):
        pass


def test_the_system_is_quoted_in_words_that_help() -> None:
    import errno

    said = {errno.ENOSPC: "disk is full", errno.EROFS: "read-only", errno.ENOLCK: "locks", errno.ESTALE: "gone"}
    for code, words in said.items():
        assert words in reason(OSError(code, os.strerror(code)))
    assert reason(OSError(errno.EACCES, "Permission denied")) == "Permission denied"
