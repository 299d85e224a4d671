"""Parses in CoNLL-U, the trees that are made of them, and their way to the models that read them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from wordsight.batch import Words
from wordsight.comparison.compare import compare
from wordsight.comparison.rows import RECALLS
from wordsight.data.load import load_dataset
from wordsight.data.parses import NAME, load_parses, read, tree_of
from wordsight.errors import InputError
from wordsight.evaluation.alignment import measure
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.recipe import Recipe, parse
from wordsight.runs.recipe import read as read_recipe
from wordsight.text.tokens import tokenise
from wordsight.text.trees import NUMBER, RELATIONS, Token, chains, letters, on_words, planted, trees
from wordsight.training.prepare import prepare
from wordsight.training.trainer import train

FILE = Path(__file__).with_name("captions.conllu")
ROW = "1\tdog\tdog\tNOUN\t_\t_\t0\troot\t_\t_\n"
PAIR = ROW + "2\tcat\tcat\tNOUN\t_\t_\t1\tdep\t_\t_\n"
RANGE = "{}\tdogcat\t_\t_\t_\t_\t_\t_\t_\t_\n"  # a multiword token


def tree(sentence: str, heads: list[int], relations: str) -> list[tuple[int, int]]:
    assert len(tokenise(sentence)) == len(heads) == len(relations.split())
    return list(zip(heads, (NUMBER[relation] for relation in relations.split()), strict=True))


def test_there_are_37_universal_relations_and_that_of_chains() -> None:
    assert len(RELATIONS) == len(set(RELATIONS)) == 38
    assert RELATIONS[0] == "next"


def test_trees_stand_on_our_words_whatever_the_parser_calls_words() -> None:
    parses = load_parses(FILE.parent)
    expected = tree("a mans tshirt is red", [1, 2, 4, 4, 4], "det nmod nsubj cop root")
    assert tree_of("A man's t-shirt is red.", parses) == expected
    assert tree_of("a MAN'S T-shirt is: red", parses) == expected, "case and punctuation are no part of it"
    # the root is a semicolon: what hung on it are roots, of which the first is ours; "odd" is no universal relation
    expected = tree("dogs dont run they sleep", [2, 2, 2, 4, 2], "nsubj aux root nsubj parataxis")
    assert tree_of("Dogs don't run ; they sleep", parses) == expected


def test_a_word_cut_in_two_by_us_is_one_for_the_parser() -> None:
    tokens = [Token("a", 1, NUMBER["det"]), Token("tshirt", -1, NUMBER["root"])]
    assert on_words(tokens, ["a", "t", "shirt"]) == tree("a t shirt", [1, 1, 1], "det root flat")


def test_words_of_several_tokens_close_no_ring() -> None:
    # "x1 y x2" is read as "x", "y": x1 hangs on y, y on x2, and x2 is the root
    tokens = [Token("a", 2, NUMBER["obj"]), Token("b", -1, NUMBER["root"]), Token("c", 1, NUMBER["nsubj"])]
    assert on_words(tokens, ["ab", "c"]) == tree("ab c", [0, 0], "root nsubj")
    tokens = [Token("a", 1, NUMBER["obj"]), Token("b", 3, NUMBER["nsubj"]), Token("", -1, 0), Token("c", -1, 0)]
    assert on_words(tokens, ["a", "bc"]) == tree("a bc", [1, 1], "obj root")


def test_sentences_that_nobody_parsed_have_no_tree() -> None:
    parses = load_parses(FILE.parent)
    assert tree_of("A man's t-shirt is blue.", parses) is None
    assert tree_of(" ... ", parses) is None
    assert load_parses(FILE.parent / "nowhere") == {}
    with pytest.raises(ValueError, match="letters"):
        on_words([Token("dog", -1, 0)], ["cat"])


def test_brackets_are_punctuation_however_they_are_written(tmp_path: Path) -> None:
    rows = [
        "1\t-LRB-\t_\t_\t_\t_\t2\tpunct\t_\t_",
        "2\tDog\t_\t_\t_\t_\t0\troot\t_\t_",
        "3\t-RRB-\t_\t_\t_\t_\t2\tpunct\t_\t_",
    ]
    (tmp_path / NAME).write_text("\r\n".join(rows) + "\r\n\r\n\r\n# the end\r\n")
    parses = load_parses(tmp_path)
    assert tree_of("(dog)", parses) == [(0, NUMBER["root"])]
    assert tree_of("-LRB- dog -RRB-", parses) == tree("lrb dog rrb", [1, 1, 1], "punct root punct")


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (ROW.replace("\t", " "), 1, "10 columns"),
        ("\n# text = two\n" + ROW + ROW, 4, "the ID 2"),
        (ROW.replace("1\t", "2\t"), 1, "the ID 1"),
        (ROW.replace("\t0\t", "\t_\t"), 1, "HEAD"),
        (ROW.replace("\t0\t", "\t2\t"), 1, "HEAD"),
        (ROW.replace("\t0\t", "\t1\t"), 1, "HEAD"),
        (ROW + "\n" + ROW.replace("\t0\t", "\t2\t") + ROW.replace("1\t", "2\t").replace("\t0\t", "\t1\t"), 3, "tree"),
        (ROW.replace("1\t", "1-x\t"), 1, "a range that begins with 1"),
        (ROW.replace("1\t", "3-4\t") + ROW, 1, "a range that begins with 1"),
        (ROW.replace("1\t", "0.1\t"), 1, "a word with the ID 1"),
        (RANGE.format("1-2") * 2 + PAIR, 2, "the ID 1, a word of the range before"),
        (RANGE.format("1-2") + ROW + RANGE.format("2-3") + PAIR.replace(ROW, ""), 3, "the ID 2, a word of the range"),
        (RANGE.format("1-3") + PAIR, 1, "a range of words that follow, to the ID 3, found the last ID 2"),
    ],
)
def test_what_is_no_conllu_is_said_with_its_line(tmp_path: Path, text: str, line: int, expected: str) -> None:
    path = tmp_path / NAME
    path.write_text(text)
    with pytest.raises(InputError) as error:
        list(read(path))
    assert str(error.value).startswith(f"{path}, line {line}: expected ")
    assert expected in str(error.value)


def test_without_parses_a_sentence_is_a_chain_to_the_right() -> None:
    words = Words(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([[True] * 3, [True, False, False]]))
    for found in (trees(words), trees(words, learning=True), planted(words, [None, None]).tree):
        assert found is not None
        assert found[0].tolist() == [[0, NUMBER["root"]], [0, 0], [1, 0]]
        assert found[1, 0].tolist() == [0, NUMBER["root"]]


def test_some_parses_are_put_aside_while_learning_and_none_after() -> None:
    mask = torch.ones(4000, 2, dtype=torch.bool)
    words = planted(Words(mask.long(), mask), [[(1, NUMBER["det"]), (1, NUMBER["root"])]] * 4000)
    assert words.tree is not None
    assert torch.equal(trees(words), words.tree)
    torch.manual_seed(0)
    found = trees(words, learning=True)
    chain = (found == chains(mask)).flatten(1).all(1)
    assert torch.equal(found[~chain], words.tree[~chain])
    assert 0.2 < chain.float().mean() < 0.3


def test_trees_go_where_their_sentences_go() -> None:
    mask = torch.arange(5) < torch.tensor([5, 2, 3])[:, None]
    words = planted(Words(mask.long(), mask), [None, [(1, NUMBER["det"]), (1, NUMBER["root"])], None])
    some = words[torch.tensor([1, 2])].trimmed()
    assert some.tree is not None
    assert words.tree is not None
    assert torch.equal(some.tree, words.tree[1:, :3])
    assert replace(some, tree=None).trimmed().tree is None


@pytest.fixture(scope="module")
def parsed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The painted world with parses of every second sentence: all words hang on the last."""
    folder = tmp_path_factory.mktemp("parsed") / "world"
    shutil.copytree(world, folder)
    said = [sentence for picture in load_dataset(folder).pictures for sentence in picture.sentences]
    with (folder / NAME).open("w") as file:
        for sentence in said[::2]:
            words = tokenise(sentence)
            for place, word in enumerate(words, 1):
                head, relation = (0, "root") if place == len(words) else (len(words), "nmod:of")
                file.write("\t".join((str(place), word, *"____", str(head), relation, "_", "_")) + "\n")
            file.write("\n")
    return folder


class Told(Progress):
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.told: list[str] = []

    def say(self, text: str) -> None:
        self.told.append(text)


@pytest.mark.parametrize("name", ["defrag", "sdt_rnn"])
def test_a_dataset_with_parses_trains_models_that_read_them(
    parsed: Path, world: Path, recipe_file: Path, tmp_path: Path, name: str
) -> None:
    small = {"name": name, "embedding": 32, "words": 24}
    recipe: Recipe = replace(read_recipe(recipe_file), model=small)
    recipe = replace(parse(recipe.to_toml()), data=replace(recipe.data, path=str(parsed)))
    recipe = replace(recipe, train=replace(recipe.train, epochs=1))
    progress = Told()
    train(recipe, tmp_path / "run", progress=progress)
    assert any(text.startswith("parses: ") for text in progress.told)
    run = load(tmp_path / "run", "cpu")
    with_trees, without = measure(run, parsed, progress=Told()), measure(run, world, progress=(told := Told()))
    assert "so all are read as chains, though the model learnt from parses" in told.told[-1]
    assert with_trees["sentences"] == without["sentences"]
    for data, figures in ((parsed, with_trees), (world, without)):  # into one folder: parses tell outcomes apart
        (row,) = compare([tmp_path / "run"], tmp_path / "comparison", data, device="cpu", progress=Told()).shown.rows
        assert [row.figure(key) for key in RECALLS] == pytest.approx([figures[key] for key in RECALLS])
        assert row.system.endswith("(learnt from parses, measured on chains)") == (data == world)
    assert len(list((tmp_path / "comparison" / "outcomes").iterdir())) == 2
    sentence = next(iter(load_dataset(parsed).pictures)).sentences[0]
    chain = run.encode_texts([sentence]).values
    tree = tree_of(sentence, load_parses(parsed))
    words = planted(run.vocabulary.encode([sentence]), [tree])
    with torch.no_grad():
        assert not torch.equal(run.model.encode_texts(words).values, chain)


def test_training_and_validation_have_the_trees(parsed: Path, recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file)
    recipe = replace(recipe, model={"name": "defrag"}, data=replace(recipe.data, path=str(parsed)))
    made, parses = prepare(recipe, Told()), load_parses(parsed)
    dataset = load_dataset(parsed)
    for split, known in (("train", made.train), ("val", made.val)):
        said = [sentence for picture in dataset.split(split) for sentence in picture.sentences]
        chain, there = chains(known.words.mask), 0
        assert known.words.tree is not None
        for row, sentence in enumerate(said):
            tree, length = tree_of(sentence, parses), int(known.words.mask[row].sum())
            there += tree is not None
            expected = chain[row, :length].tolist() if tree is None else [list(one) for one in tree]
            assert known.words.tree[row, :length].tolist() == expected
        assert 0 < there < len(said)


def test_parses_of_further_datasets_are_read_too(parsed: Path, world: Path, recipe_file: Path, tmp_path: Path) -> None:
    shutil.copytree(world, tmp_path / "first")
    (tmp_path / "first" / NAME).write_text(ROW)
    recipe = read_recipe(recipe_file)
    data = replace(recipe.data, path=str(tmp_path / "first"), also=(str(parsed),))
    made = prepare(replace(recipe, model={"name": "defrag"}, data=data), Told())
    tree = made.train.words.tree
    assert tree is not None and not torch.equal(tree, chains(made.train.words.mask))


def test_models_that_read_no_trees_read_no_parses(parsed: Path, recipe_file: Path, tmp_path: Path) -> None:
    copied = tmp_path / "world"
    shutil.copytree(parsed, copied)
    (copied / NAME).write_text("not CoNLL-U at all\n")
    recipe = read_recipe(recipe_file)
    recipe = replace(recipe, data=replace(recipe.data, path=str(copied)), train=replace(recipe.train, epochs=1))
    progress = Told()
    train(recipe, tmp_path / "run", progress=progress)
    assert not any(text.startswith("parses: ") for text in progress.told)


def test_a_comparison_tells_what_a_run_learnt_from_whatever_lies_beside_its_data_now(
    parsed: Path, world: Path, recipe_file: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(recipe_file)
    small = replace(recipe, model={"name": "defrag", "embedding": 16, "words": 16})
    data, learnt = replace(recipe.data, path=str(tmp_path / "world")), replace(recipe.train, epochs=1)
    recipe = replace(parse(small.to_toml()), data=data, train=learnt)
    shutil.copytree(parsed, tmp_path / "world")
    for seed, name in enumerate(("parses", "chains", "strange")):
        train(replace(recipe, train=replace(learnt, seed=seed)), tmp_path / name, progress=Told())
        if name == "parses":
            (tmp_path / "world" / NAME).unlink()
        else:  # parses of no sentence of these
            (tmp_path / "world" / NAME).write_text(ROW.replace("dog", "nobody"))
    runs = [tmp_path / name for name in ("parses", "chains", "strange")]
    rows = compare(runs, tmp_path / "comparison", parsed, device="cpu", progress=Told()).shown.rows
    found = {tuple(member.name for member in row.members): "chains" in row.system for row in rows}
    assert found == {("parses",): False, ("chains", "strange"): True}
    chained = load(tmp_path / "chains", "cpu")
    assert measure(chained, parsed, progress=Told())["rsum"] == measure(chained, world, progress=Told())["rsum"]


def test_letters_are_what_the_tokens_have() -> None:
    assert letters("A man's  T-shirt!") == "amanstshirt"
