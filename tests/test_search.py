"""An index finds what scoring every picture would find, and shows where."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from wordsight.batch import Vectors
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.matching.query_bank import SHARE
from wordsight.matching.score import Rule, sum_of_max
from wordsight.matching.segments import BETA
from wordsight.metrics import ranking
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.pairs import encode, pairs
from wordsight.search.catalog import Catalog
from wordsight.search.codes import quantise
from wordsight.search.contact_sheet import SIDE, sheet, shortened, write_sheet
from wordsight.search.index import Index
from wordsight.search.prefilter import Rough, best_scores
from wordsight.search.query import Like, QueryTerm, Sentence, encoded_query
from wordsight.search.scan import Spans, scan, top
from wordsight.vision.regions import FeatureCache

QUIET = Progress(quiet=True)
ASKS = ["a red circle", "a blue square and a green cross", "a stripy yellow triangle", "two circles"]


def few(world: Path, count: int, skip: int = 0) -> list[Path]:
    return sorted((world / "images").iterdir())[skip : skip + count]


@pytest.fixture(scope="module")
def index(world: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Thirty pictures, indexed; tests must not change it."""
    made = Index.create(tmp_path_factory.mktemp("search") / "index", trained, "cpu")
    made.build(few(world, 30), progress=QUIET)
    return made


@pytest.fixture(scope="module")
def images(index: Index, world: Path) -> Vectors:
    return index.run.encode_images(few(world, 30))


def names(index: Index, ask: object, **wanted: object) -> list[str]:
    return [hit.path.name for hit in index.search(ask, **wanted).hits]  # type: ignore[arg-type]


def check(index: Index, world: Path, ask: object, scores: torch.Tensor) -> None:
    """That a search gives the same pictures and scores as all scores (30,) sorted."""
    hits = index.search(ask, top=30).hits  # type: ignore[arg-type]
    order = scores.argsort(descending=True, stable=True)
    paths = few(world, 30)
    assert [hit.path for hit in hits] == [paths[place] for place in order]
    assert [hit.score for hit in hits] == pytest.approx(scores[order].tolist(), abs=1e-4)


@pytest.mark.parametrize("sentence", ASKS)
def test_a_sentence_finds_what_scoring_every_picture_finds(
    index: Index, world: Path, images: Vectors, sentence: str
) -> None:
    check(index, world, sentence, index.run.score(images, [sentence])[:, 0])


def test_weighted_sentences_add_up(index: Index, world: Path, images: Vectors) -> None:
    scores = index.run.score(images, ["a red circle", "a blue square"])
    check(index, world, [Sentence("a red circle"), Sentence("a blue square", -0.5)], scores[:, 0] - 0.5 * scores[:, 1])


def test_a_picture_is_asked_by_all_its_regions(index: Index, world: Path, images: Vectors) -> None:
    like = few(world, 30)[7]
    ours = images[7:8]
    scores = sum_of_max(images, Vectors(ours.values, ours.mask, ours.places), mean=True)
    check(index, world, Like(like), scores[:, 0])
    assert names(index, Like(like), top=1) == [like.name]


def test_a_region_is_asked_by_its_vector(index: Index, world: Path, images: Vectors) -> None:
    like, region = few(world, 30)[4], 9
    box = tuple(images.places[4, region].tolist())
    best = (images.values @ images.values[4, region]).amax(dim=1)
    check(index, world, Like(like, box), best)
    first = index.search(Like(like, box), top=1).hits[0]
    assert first.path == like
    assert first.phrases[0].box == pytest.approx(box, abs=1e-6)


def test_many_queries_at_once_are_as_one_by_one(index: Index) -> None:
    together = index.search_many(ASKS, top=5)
    for found, ask in zip(together, ASKS, strict=True):
        alone = index.search(ask, top=5)
        assert [hit.path for hit in found.hits] == [hit.path for hit in alone.hits]
        assert [hit.score for hit in found.hits] == pytest.approx([hit.score for hit in alone.hits], abs=1e-5)
    assert index.search_many([]) == []


def test_the_evidence_is_that_of_align(index: Index, world: Path) -> None:
    run = load(index.folder / "model", "cpu")
    for hit in index.search("a red circle and a blue square", top=3).hits:
        whole = run.align(hit.path, "a red circle and a blue square", beta=BETA)
        assert [phrase.text.split() for phrase in hit.phrases] == [
            list(whole.words[one.start : one.end]) for one in whole.segments
        ]
        for phrase, segment in zip(hit.phrases, whole.segments, strict=True):
            assert phrase.box == pytest.approx(segment.box, abs=1e-6)
            assert phrase.strength == pytest.approx(segment.strength, abs=1e-3)
        alone = run.align(hit.path, "a red circle and a blue square", beta=0)
        assert [word.strength for word in hit.words] == pytest.approx(alone.strengths, abs=1e-3)
        assert sum(word.strength for word in hit.words) / len(hit.words) == pytest.approx(hit.score, abs=1e-3)


def test_what_a_picture_scores_with_anything_is_told(index: Index, world: Path, tmp_path: Path) -> None:
    shutil.copytree(index.folder, tmp_path / "copy")
    copy = Index(tmp_path / "copy", "cpu")
    with copy.writing() as catalog, catalog.change():
        for entry in list(catalog.entries()):
            catalog.change_entry(entry.path, hubness=0.25)
    red, both = "a red circle", [Sentence("a red circle"), Sentence("a star", -0.5)]
    asks = {0.25 * SHARE: red, 0.125 * SHARE: both, 0.0: Like(few(world, 1)[0])}
    for common, ask in asks.items():
        before, hits = index.search(ask).hits, copy.search(ask).hits
        assert [hit.hubness for hit in hits] == pytest.approx([common] * 10)
        assert [hit.score + common for hit in hits] == pytest.approx([hit.score for hit in before], abs=1e-6)


def test_figures_through_the_index_are_those_of_eval(index: Index, trained: Path, world: Path) -> None:
    run, dataset = load(trained, "cpu"), load_dataset(world)
    of_index = {path.name: number for number, path in enumerate(few(world, 30))}
    pictures = [picture for picture in dataset.pictures if picture.path.name in of_index and picture.sentences]
    table = FeatureCache(index.folder.parent / "features", run.encoder).regions([one.path for one in pictures])
    known = pairs(pictures, table, run.vocabulary)
    blocks, texts = encode(run.model, known)
    expected = ranking.ranking_metrics(run.model, blocks, texts, known.picture)
    sentences = [sentence for picture in pictures for sentence in picture.sentences]
    row = {picture.path: number for number, picture in enumerate(pictures)}
    scores = torch.full((len(pictures), len(sentences)), -torch.inf)
    for column, found in enumerate(index.search_many(sentences, top=30)):
        for hit in found.hits:
            if hit.path in row:
                scores[row[hit.path], column] = hit.score
    found_figures = ranking.metrics(ranking.ranks(scores, known.picture), len(pictures))
    for key, figure in found_figures.items():  # the index adds in another order, so one nearly equal pair may turn
        assert figure == pytest.approx(expected[key], abs=1e-6 if key.endswith("medr") else 100 / len(pictures) + 1e-6)


@pytest.mark.parametrize("rule", [Rule(), Rule(mean=True), Rule(thresholded_sum=True), Rule(True, True)])
@pytest.mark.parametrize("uneven", [False, True])
def test_the_scan_is_exact_for_every_rule(rule: Rule, uneven: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordsight.search.scan.PRODUCTS", 150)  # many blocks
    random = torch.Generator().manual_seed(0)
    count = torch.randint(1, 6, (40,), generator=random) if uneven else torch.full((40,), 4)
    mask = torch.arange(5 if uneven else 4) < count[:, None]
    values = torch.randn(*mask.shape, 8, generator=random)
    texts = Vectors(
        torch.randn(6, 7, 8, generator=random),
        torch.arange(7) < torch.tensor([7, 1, 3, 2, 7, 4])[:, None],
        torch.zeros(6, 7, 2),
        torch.randn(6, generator=random),
    )
    images = Vectors(values, mask, torch.zeros(*mask.shape, 4), torch.randn(40, generator=random))
    order = torch.randperm(40, generator=random)  # in the files they stand in another order, in two of them
    firsts, rows = np.zeros(40, np.int64), {1: [], 2: []}
    segment = np.where(np.arange(40) % 3 == 0, 2, 1)
    for place in order.tolist():
        mine = rows[int(segment[place])]
        firsts[place] = sum(map(len, mine))
        mine.append(values[place, mask[place]].numpy())
        mine.append(np.full((place % 2, 8), 99, np.float32))  # rows of pictures that are gone
    maps = {number: np.concatenate(parts) for number, parts in rows.items()}
    hubness = images.hubness
    assert hubness is not None
    coded = quantise(values[mask].numpy(), count.numpy())
    spans = Spans(segment, firsts, count.numpy(), hubness.numpy(), coded.length, coded.blur)
    nothing = torch.zeros(1, 7, dtype=torch.bool)
    queries = [[QueryTerm(_one(texts, n), ("word",), (), nothing, 1.0)] for n in range(6)]
    queries.append([QueryTerm(_one(texts, n), ("word",), (), nothing, weight) for n, weight in ((0, 2.0), (3, -0.5))])
    expected = sum_of_max(images, texts, mean=rule.mean, thresholded_sum=rule.thresholded_sum)
    expected = torch.cat([expected, (2 * expected[:, 0] - 0.5 * expected[:, 3])[:, None]], dim=1)
    found = scan(maps, spans, encoded_query(queries, rule), rule)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    if not rule.thresholded_sum:
        steps = np.split(coded.steps, np.cumsum(count.numpy())[:-1])
        own = np.split(coded.values, np.cumsum(count.numpy())[:-1])
        rough = Rough()
        for number, rows in maps.items():
            codes, step = np.zeros(rows.shape, np.uint8), np.ones((len(rows), 1), np.float32)
            for place in np.flatnonzero(segment == number):
                where = slice(firsts[place], firsts[place] + len(own[place]))
                codes[where], step[where, 0] = own[place], steps[place]
            rough[number] = codes, step
        for count in (1, 5, 39, 40):
            quick = best_scores(maps, rough, spans, encoded_query(queries, rule), rule, count)
            for query in range(len(queries)):
                best = top(quick[:, query], count)
                assert best.tolist() == top(found[:, query], count).tolist()
                torch.testing.assert_close(quick[best, query], found[best, query], atol=1e-4, rtol=1e-4)
        of_file = np.arange(40) % 7 * 3  # frames of seven videos
        for count in (1, 3, 6, 7):
            quick = best_scores(maps, rough, spans, encoded_query(queries, rule), rule, count, of_file)
            for query in range(len(queries)):
                best, right = (
                    sorted(((one[of_file == file, query].max().item(), file) for file in of_file[:7]), reverse=True)[
                        :count
                    ]
                    for one in (quick, found)
                )
                assert best == [(pytest.approx(score, abs=1e-4), file) for score, file in right]


def _one(texts: Vectors, number: int) -> Vectors:
    """A sentence without its padding."""
    length = int(texts.mask[number].sum())
    assert texts.hubness is not None
    return Vectors(
        texts.values[number : number + 1, :length],
        texts.mask[number : number + 1, :length],
        texts.places[number : number + 1, :length],
        texts.hubness[number : number + 1],
    )


@pytest.mark.parametrize("wanted", [{"top": 4}, {"top": 3, "page": 4}, {"top": 4, "group": True}, {"top": 30}])
@pytest.mark.parametrize("ask", ["a red circle", [Sentence("a red circle"), Sentence("a star", -0.7)]])
def test_the_quick_scan_finds_what_the_exact_one_finds(
    index: Index, monkeypatch: pytest.MonkeyPatch, ask: object, wanted: dict[str, int]
) -> None:
    found = {}
    for quick in (False, True):
        monkeypatch.setattr("wordsight.search.find.is_quick", lambda rough, spans, rule, quick=quick: quick)
        found[quick] = index.search(ask, **wanted)  # type: ignore[arg-type]
    assert [hit.path for hit in found[True].hits] == [hit.path for hit in found[False].hits]
    assert [hit.score for hit in found[True].hits] == pytest.approx([hit.score for hit in found[False].hits], abs=1e-5)
    assert found[True].total == found[False].total


def test_ties_go_by_the_order_of_the_catalogue() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert [top(scores, count).tolist() for count in (0, 1, 3, 4, 9)] == [
        [],
        [1],
        [1, 3, 2],
        [1, 3, 2, 4],
        [1, 3, 2, 4, 5, 0],
    ]


def test_pages_follow_each_other(index: Index) -> None:
    every = names(index, "a red circle", top=30)
    assert [name for page in (1, 2, 3, 4) for name in names(index, "a red circle", top=9, page=page)] == every
    assert index.search("a red circle", top=9, page=2).first == 10
    assert index.search("a red circle", top=9, page=9).hits == ()


def test_the_least_score_holds(index: Index) -> None:
    every = index.search("a red circle", top=30).hits
    found = index.search("a red circle", min_score=every[4].score)
    assert len(found.hits) == found.total == 5
    nothing = index.search("a red circle", min_score=1e9)
    assert str(nothing) == "nothing here matches" and nothing.total == 0


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        ("", "query is empty"),
        (" \t", "query is empty"),
        (" ... ", "' ... ' has no word: expected a sentence"),
        ("\U0001f436", "'\U0001f436' has no word"),
        ([], "query is empty"),
        ("zyzzyva quux", "knows none of these words"),
        (Sentence("a red circle", 0.0), "weight 0"),
        (Sentence("a red circle", float("nan")), "weight nan"),
        (Like("nowhere.jpg"), "nowhere.jpg: no such picture"),
        (Like(Image.new("RGB", (9, 9)), (0.5, 0.5, 0.5, 0.9)), "expected left, top, right, bottom"),
        (Like(Image.new("RGB", (9, 9)), (0.5, 0.5, 1.5, 0.9)), "expected left, top, right, bottom"),
    ],
)
def test_what_cannot_be_asked_is_said(index: Index, ask: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        index.search(ask)  # type: ignore[arg-type]


def test_unknown_words_are_named(index: Index) -> None:
    found = index.search("a red zyzzyva", top=2)
    assert found.unknown == ("zyzzyva",)
    assert [word.known for word in found.hits[0].words] == [True, True, False]


def test_near_duplicates_are_one_hit(world: Path, trained: Path, tmp_path: Path) -> None:
    paths = []
    for path in few(world, 5):
        image = Image.open(path)
        for quality in (95, 80):
            paths.append(tmp_path / f"{path.stem}-{quality}.jpg")
            image.save(paths[-1], quality=quality)
    index = Index.create(tmp_path / "index", trained, "cpu")
    index.build(paths, progress=QUIET)
    found = index.search("a red circle", group=True)
    shown = [path for hit in found.hits for path in (hit.path, *(one.path for one in hit.near_duplicates))]
    assert sorted(shown) == sorted(paths)
    assert all(hit.path.stem[:-3] in {one.path.stem[:-3] for one in hit.near_duplicates} for hit in found.hits)
    assert found.total == len(found.hits) == 5, "and different pictures are different hits"
    assert index.search("a red circle").hits[0].path == found.hits[0].path


def test_a_sheet_shows_every_hit_and_marks_the_missing(world: Path, trained: Path, tmp_path: Path) -> None:
    paths = [tmp_path / path.name for path in few(world, 7)]
    for path, source in zip(paths, few(world, 7), strict=True):
        path.write_bytes(source.read_bytes())
    index = Index.create(tmp_path / "index", trained, "cpu")
    index.build(paths, progress=QUIET)
    before = index.search("a red circle")
    before.hits[0].path.unlink()
    found = index.search("a red circle")
    assert [hit.path for hit in found.hits] == [hit.path for hit in before.hits]
    assert [hit.missing for hit in found.hits] == [True] + [False] * 6
    drawn = sheet(found)
    assert drawn.width > 4 * 320 and drawn.height > 2 * 320
    write_sheet(found, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == drawn.size
    with pytest.raises(InputError, match="nothing to draw"):
        write_sheet(index.search("a red circle", min_score=99), tmp_path / "other.png")


def test_what_is_too_long_for_a_tile_is_cut_and_keeps_its_figure() -> None:
    font = ImageFont.load_default(13)
    assert shortened("a dog", "  0.53", font) == "a dog  0.53"
    long = shortened("a big black dog " * 9, "  0.53", font)
    assert long.startswith("a big black dog a") and long.endswith("…  0.53") and 300 < font.getlength(long) <= SIDE


@pytest.fixture(scope="module")
def annotated(index: Index, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., set[str]]:
    """Which of thirty pictures a filter leaves, where every third is of Oslo and they are numbered."""
    paths = few(world, 30)
    table = tmp_path_factory.mktemp("meta") / "meta.csv"
    places = ["Oslo", "Rome's", "the lake"]
    rows = [f'{path.name};{places[number % 3]};{number};"x; y"' for number, path in enumerate(paths)]
    table.write_text("\n".join(["file;place;number;note", *rows, "nobody.jpg;Oslo;1;"]))
    assert index.annotate(table) == ["nobody.jpg"]

    def left(where: str = "", under: str = "") -> set[int]:
        found = index.search("a red circle", top=30, where=where, under=under)
        return {paths.index(hit.path) for hit in found.hits}

    return left


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("number < 3", {0, 1, 2}),
        ("number >= 28.5 and place = 'the lake'", {29}),
        ('place = "Rome\'s" and number <= 4', {1, 4}),
        ("place ~ 'O*' AND number<4", {0, 3}),
        ("place != Oslo and number < 4", {1, 2}),
        ("note = 'x; y' and number = 7", {7}),
        ("path ~ '*00003*'", {3}),
        ("width > 99999", set()),
        ("height >= 1 and bytes > 10 and number = 2", {2}),
        ("date >= 2001 and added > 2001-05 and number = 2", {2}),
        ("date < 1999", set()),
        ('place = "\' OR 1=1 --"', set()),
        ('place = "Oslo\'); DROP TABLE pictures; --"', set()),
        ("path = \"x' OR '1'='1\"", set()),
        ('place ~ "*\' UNION SELECT 1 --"', set()),
    ],
)
def test_filters_leave_what_they_say(annotated: Callable[..., set[int]], where: str, expected: set[int]) -> None:
    assert annotated(where) == expected
    assert len(annotated()) == 30


@pytest.mark.parametrize(
    "where",
    [
        "width",
        "width >",
        "> 3",
        "width > 3 and",
        "width > 3 or height > 3",
        "width > big",
        "width ~ 3",
        "nothing = 3",
        "plce = Oslo",
        "1=1; DROP TABLE pictures",
        "meta = 3",
        "number) OR (1 = 1",
        'place" = 3',
        "''",
    ],
)
def test_other_filters_are_refused(annotated: Callable[..., set[int]], where: str) -> None:
    with pytest.raises(InputError):
        annotated(where)
    assert len(annotated()) == 30


def test_under_leaves_a_folder(annotated: Callable[..., set[int]], world: Path, tmp_path: Path) -> None:
    assert len(annotated(under=str(world / "images"))) == 30
    assert len(annotated(under=str(world / "images") + "/")) == 30
    assert annotated(under=str(world / "imag")) == set()
    assert annotated(under=str(tmp_path)) == set()


def test_metadata_may_be_json(index: Index, annotated: object, world: Path, tmp_path: Path) -> None:
    one = few(world, 30)[2]
    table = tmp_path / "meta.json"
    table.write_text(json.dumps([{"path": str(one), "who": {"name": "Ann"}, "number": 2, "place": "the lake"}]))
    assert index.annotate(table) == []
    with Catalog(index.folder) as catalog:
        assert [json.loads(entry.meta) for entry in catalog.entries()][2]["who"] == {"name": "Ann"}
    for content in ("{}", "[1]", '[{"who": 1}]', '[{"path": 3}]', "nonsense"):
        table.write_text(content)
        with pytest.raises(InputError, match=r"meta\.json"):
            index.annotate(table)
