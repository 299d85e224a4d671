"""Datasets of clips: MSVD, MSR-VTT, clips beside texts, and subtitles; and what is wrong with them."""

import json
from pathlib import Path

import pytest

from wordsight.data.check import check
from wordsight.data.convert import write_karpathy
from wordsight.data.load import load_dataset, read_dataset
from wordsight.data.records import hold_out
from wordsight.errors import InputError

HEAD = "VideoID,Start,End,WorkerID,Source,AnnotationTime,Language,Description\n"


def touch(folder: Path, *names: str) -> Path:
    """A folder with files of some names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def spoken(data: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The split and sentences of each clip."""
    return {clip.name: (clip.split, clip.sentences) for clip in read_dataset(data).pictures}


def test_the_corpus_of_msvd_is_read_in_english(tmp_path: Path) -> None:
    touch(tmp_path / "YouTubeClips", "a_b-c_1_5.avi", "d_10_12.mp4")
    rows = [
        "a_b-c,1,5,1,clean,30,English,A man runs.",
        "a_b-c,1,5,1,clean,30,German,Ein Mann rennt.",
        'a_b-c,1,5,1,clean,30,English,"He runs, fast."',
        "d,10,12,1,unverified,30,English,A dog eats.",
    ]
    (tmp_path / "corpus.csv").write_text(HEAD + "\n".join(rows))
    dataset = load_dataset(tmp_path)
    assert dataset.format == "msvd" and dataset.faults == ()
    assert spoken(tmp_path) == {
        "a_b-c_1_5.avi": ("train", ("A man runs.", "He runs, fast.")),
        "d_10_12.mp4": ("train", ("A dog eats.",)),
    }
    assert spoken(tmp_path / "corpus.csv") == spoken(tmp_path)


def test_bad_rows_and_missing_clips_of_msvd_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "d_10_12.avi")
    rows = [
        "d,10,12,1,clean,30,English,A dog eats.",
        "e,20,15,1,clean,30,English,A cat sleeps.",
        "f,x,15,1,clean,30,English,A cat sleeps.",
        "g,1,2,1,clean,30,English,",
        "h,1,2,1,clean,30,English,A bird sings.",
    ]
    (tmp_path / "corpus.csv").write_text(HEAD + "\n".join(rows))
    dataset = read_dataset(tmp_path)
    told = " ".join(dataset.faults)
    assert [clip.name for clip in dataset.pictures] == ["d_10_12.avi", "h_1_2.avi"]
    assert "1 of its 2 clips have no video (h_1_2)" in told and "3 rows left out" in told
    assert "ends at second 15, before it begins at 20" in told and "whole seconds, found 'x' and '15'" in told
    with pytest.raises(InputError, match=r"corpus\.csv, line 3: the clip ends"):
        load_dataset(tmp_path, strict=True)


def test_the_text_files_of_msvd_and_their_splits(tmp_path: Path) -> None:
    touch(tmp_path / "clips", "a_b_1_5.avi", "c_1_2.avi", "d_1_2.avi")
    (tmp_path / "AllVideoDescriptions.txt").write_text("# clips\n\na_b_1_5 a man runs\nc_1_2 a cat\nd_1_2\ta dog\n")
    assert {split for split, _ in spoken(tmp_path).values()} == {"train"}
    (tmp_path / "train_list.txt").write_text("a_b_1_5.avi\n")
    (tmp_path / "test_list.txt").write_text("d_1_2\n")
    assert spoken(tmp_path) == {"a_b_1_5.avi": ("train", ("a man runs",)), "d_1_2.avi": ("test", ("a dog",))}


def test_numbered_clips_of_msvd_are_looked_up(tmp_path: Path) -> None:
    touch(tmp_path, "a_b_1_5.avi", "c_1_2.avi")
    (tmp_path / "youtube_mapping.txt").write_text("a_b_1_5 vid1\nc_1_2 vid2\n")
    (tmp_path / "sents_train_lc_nopunc.txt").write_text("vid1\ta man runs\nvid1\the runs\n")
    (tmp_path / "sents_val_lc_nopunc.txt").write_text("vid2\ta cat\n")
    assert spoken(tmp_path) == {"a_b_1_5.avi": ("train", ("a man runs", "he runs")), "c_1_2.avi": ("val", ("a cat",))}


def test_a_clip_of_msvd_in_two_splits_stays_in_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "a_1_5.avi", "c_1_2.avi")
    (tmp_path / "sents_test_lc_nopunc.txt").write_text("a_1_5\ta man runs\n")
    (tmp_path / "sents_train_lc_nopunc.txt").write_text("a_1_5\the runs\nc_1_2\ta cat\n")
    by_names = {"a_1_5.avi": ("test", ("a man runs",)), "c_1_2.avi": ("train", ("a cat",))}
    assert spoken(tmp_path) == by_names
    assert "1 row left out (a_1_5 is already in the split 'test', not in 'train')" in read_dataset(tmp_path).faults[0]
    (tmp_path / "test_list.txt").write_text("a_1_5\n")
    (tmp_path / "train_list.txt").write_text("a_1_5\nc_1_2\n")
    assert spoken(tmp_path)["a_1_5.avi"] == ("test", ("a man runs", "he runs"))  # the lists alone give the split
    with pytest.raises(InputError, match=r"train_list\.txt: a_1_5 is already in the split 'test'"):
        load_dataset(tmp_path, strict=True)


def test_the_whole_of_msvd_has_the_official_split(tmp_path: Path) -> None:
    names = [f"v{number:04d}_0_5" for number in range(1970)]
    (tmp_path / "AllVideoDescriptions.txt").write_text("".join(f"{name} a man\n" for name in reversed(names)))
    touch(tmp_path, "v0000_0_5.avi")
    dataset = read_dataset(tmp_path)
    assert dataset.splits == {"train": 1200, "val": 100, "test": 670}
    assert dataset.pictures[0].path.stem == "v1969_0_5" and dataset.pictures[0].split == "train"


def msrvtt(path: Path, videos: list[tuple[str, str]], sentences: list[tuple[str, str]]) -> None:
    times = {"start time": 137.72, "end time": 149.44, "url": "u", "category": 9}
    path.write_text(
        json.dumps(
            {
                "info": {"year": "2016"},
                "videos": [{"video_id": name, "split": split, "id": 0, **times} for name, split in videos],
                "sentences": [{"caption": text, "video_id": name, "sen_id": 0} for name, text in sentences],
            }
        )
    )


def test_a_clip_of_msr_vtt_in_two_splits_stays_in_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "video0.mp4", "video1.mp4")
    test = [("video0", "a man sings")]
    msrvtt(tmp_path / "test_videodatainfo.json", [("video0", "test"), ("video0", "train")], test)
    train = [("video0", "a singer"), ("video1", "a cat")]
    msrvtt(tmp_path / "train_val_videodatainfo.json", [("video0", "train"), ("video1", "train")], train)
    assert spoken(tmp_path) == {"video0.mp4": ("test", ("a man sings",)), "video1.mp4": ("train", ("a cat",))}
    told = " ".join(read_dataset(tmp_path).faults)
    assert "videos[0]: video0 is already in the split 'test', not in 'train'" in told
    assert "sentences[0]: is about 'video0', which is in the split 'test'" in told


def test_msr_vtt_is_read_from_one_file_or_several(tmp_path: Path) -> None:
    touch(tmp_path / "TrainValVideo", "video0.mp4", "video1.mp4")
    touch(tmp_path / "TestVideo", "video2.mp4")
    said = [("video0", "a man sings"), ("video0", "a singer"), ("video1", "a cat")]
    msrvtt(tmp_path / "train_val_videodatainfo.json", [("video0", "train"), ("video1", "validate")], said)
    msrvtt(tmp_path / "test_videodatainfo.json", [("video2", "test")], [("video2", "a dog")])
    assert load_dataset(tmp_path).format == "msr-vtt"
    assert spoken(tmp_path) == {
        "video2.mp4": ("test", ("a dog",)),
        "video0.mp4": ("train", ("a man sings", "a singer")),
        "video1.mp4": ("val", ("a cat",)),
    }
    assert set(spoken(tmp_path / "train_val_videodatainfo.json")) == {"video0.mp4", "video1.mp4"}


def test_bad_entries_of_msr_vtt_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "video0.mp4")
    said = [("video0", "a man sings"), ("video7", "a cat")]
    msrvtt(tmp_path / "videodatainfo.json", [("video0", "train"), ("video1", "test")], said)
    told = " ".join(read_dataset(tmp_path).faults)
    assert "is about 'video7', which is not in 'videos'" in told and "1 of its 2 clips have no video (video1)" in told
    (tmp_path / "videodatainfo.json").write_text('{"videos": [{"video_id": 7}], "sentences": []}')
    with pytest.raises(InputError, match=r"videos\[0\], key 'video_id': expected text"):
        load_dataset(tmp_path)


def test_clips_beside_their_texts(tmp_path: Path) -> None:
    touch(tmp_path / "val", "a.mp4", "b.MOV", "c.mkv")
    (tmp_path / "val" / "a.txt").write_text("a man runs\nhe runs\n")
    (tmp_path / "val" / "b.txt").write_text("")
    (tmp_path / "val" / "gone.txt").write_text("a lost clip")
    assert spoken(tmp_path) == {
        "val/a.mp4": ("val", ("a man runs", "he runs")),
        "val/b.MOV": ("val", ("",)),
        "val/c.mkv": ("val", ()),
        "val/gone.mp4": ("val", ("a lost clip",)),
    }
    report = check(read_dataset(tmp_path))
    assert report.missing == ("val/gone.mp4",) and report.empty == ("val/b.MOV",)


def test_a_folder_of_empty_texts_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "a.txt")
    with pytest.raises(InputError, match="none of the 1 pictures of the split 'train' has a sentence"):
        load_dataset(tmp_path).split("train")


VTT = """WEBVTT

NOTE made by hand

1
00:01.000 --> 00:02.500 align:start
<v Ann>A man &amp; a dog
run <i>fast</i>.

2
00:02.500 --> 00:04.000
They stop.

00:02.500 --> 00:04.000
They rest.
"""


def test_each_subtitle_is_a_part_of_its_clip(tmp_path: Path) -> None:
    touch(tmp_path / "train", "talk.mp4")
    (tmp_path / "train" / "talk.en.vtt").write_text(VTT)
    parts = {
        "train/talk.mp4#t=1,2.5": ("train", ("A man & a dog run fast.",)),
        "train/talk.mp4#t=2.5,4": ("train", ("They stop.", "They rest.")),
    }
    assert load_dataset(tmp_path).format == "subtitles" and spoken(tmp_path) == parts
    assert len(spoken(tmp_path / "train" / "talk.en.vtt")) == 2
    write_karpathy(load_dataset(tmp_path), tmp_path / "again" / "dataset.json")
    assert spoken(tmp_path / "again") == parts
    first = load_dataset(tmp_path / "again").pictures[0].path
    assert first.resolve() == (tmp_path / "train" / "talk.mp4#t=1,2.5").resolve()


def test_bad_times_of_subtitles_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "talk.mp4")
    cues = [
        ("00:00:01,000 --> 00:00:03,000", "One."),
        ("00:00:02,000 --> 00:00:05,000", "Two, too early."),
        ("00:00:09,000 --> 00:00:08,000", "Three, backwards."),
        ("00:00:nan --> 00:00:12,000", "Four, no number."),
        ("00:00:10,000 --> 00:75:12,000", "Five, too many minutes."),
        ("00:00:20,000 --> 00:00:21,000", ""),
    ]
    path = tmp_path / "talk.srt"
    path.write_text("\n".join(f"{number}\n{times}\n{text}\n" for number, (times, text) in enumerate(cues, 1)))
    dataset = read_dataset(tmp_path)
    assert [clip.name for clip in dataset.pictures] == ["talk.mp4#t=1,2", "talk.mp4#t=2,5"]
    told = " ".join(dataset.faults)
    assert "4 rows left out" in told and "ends at 00:00:08,000, but begins at 00:00:09,000" in told
    assert "found '00:00:nan --> 00:00:12,000'" in told and "and 1 more" in told
    assert "the cue at 1 s: lasts until 3 s, over the next; cut where that begins, at 2 s" in told
    with pytest.raises(InputError, match=r"talk\.srt"):
        load_dataset(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"talk\.vtt: has no subtitles; expected times such as"),
        ("WEBVTT\n\n00:05.000 --> 00:04.000\nBack.\n", r"talk\.vtt, line 3: ends at 00:04\.000, but begins"),
    ],
)
def test_subtitles_without_a_usable_time_are_refused(tmp_path: Path, text: str, why: str) -> None:
    touch(tmp_path, "talk.mp4")
    (tmp_path / "talk.vtt").write_text(text)
    with pytest.raises(InputError, match=why):
        load_dataset(tmp_path)


def test_parts_of_one_clip_are_held_out_together(tmp_path: Path) -> None:
    names = [f"talk{number}.mp4" for number in range(12)]
    touch(tmp_path, *names)
    for name in names:
        times = [f"00:0{second}.000 --> 00:0{second + 1}.000\nSecond {second}.\n" for second in range(5)]
        (tmp_path / name).with_suffix(".vtt").write_text("WEBVTT\n\n" + "\n".join(times))
    held = hold_out(load_dataset(tmp_path), 0.3)
    sides = {split: {clip.name.split("#")[0] for clip in held.split(split)} for split in ("train", "val")}
    assert not sides["train"] & sides["val"] and len(sides["train"] | sides["val"]) == 12
