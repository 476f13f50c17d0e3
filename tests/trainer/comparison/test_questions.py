from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.train import Compare
from siftset.trainer.comparison import Prompt, QuestionSet, gather_questions
from siftset.trainer.comparison.context import ComparisonSetting
from siftset.trainer.comparison.questions import read_prompts
from siftset.trainer.inference.word_lists import MASKS, read_words

ROWS = pl.DataFrame({"row_id": ["c", "a", "b"], "text": ["x", None, "z"]})


def test_prompts_come_from_the_recipe_and_from_files(tmp_path):
    (tmp_path / "more.txt").write_text(
        '# a note\n\nIt is <mask>\n{"text": "[MASK]", "target": "a"}\n'
    )
    compare = Compare(prompts=("one [MASK]",), prompts_file="more.txt")
    assert read_prompts(compare, tmp_path) == (
        Prompt("one [MASK]"),
        Prompt("It is <mask>"),
        Prompt("[MASK]", target="a"),
    )


@pytest.mark.parametrize("name", ["nike", "reviews"])
def test_shipped_prompts_have_masks_and_targets(name):
    found = read_prompts(Compare(prompts_file=name), Path())
    assert len(found) >= 5
    assert all(MASKS.search(prompt.text) and prompt.target for prompt in found)


def test_every_shipped_prompt_file_is_read():
    for entry in (files("siftset.data") / "prompts").iterdir():
        assert read_prompts(Compare(prompts_file=entry.name), Path())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"text": 3}', r"p\.jsonl:1: expected an object with text"),
        ('{"text": "a", "wanted": "b"}', r"p\.jsonl:1: expected"),
        ("{", r"p\.jsonl:1: broken JSON"),
    ],
)
def test_a_broken_prompt_file_is_said(tmp_path, text, message):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_prompts(Compare(prompts_file="p.jsonl"), tmp_path)


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        (Compare(prompts_file="nowhere"), "no shipped prompts of the name 'nowhere'"),
        (Compare(golden="golden.xlsx"), "must end in .parquet"),
        (Compare(golden="golden.csv"), "cannot be read"),
        (Compare(general="general.txt"), "no file"),
        (Compare(general="common"), "no shipped texts of the name 'common'"),
        (Compare(prompts_file="../lists/positive_probe"), "no file"),
    ],
)
def test_a_missing_file_is_said(tmp_path, compare, message):
    with pytest.raises(RecipeError, match=message):
        gather_questions(compare, ROWS, folder=tmp_path)


def test_the_shipped_general_text_has_a_hundred_sentences_and_no_prompt(tmp_path):
    found = gather_questions(Compare(general="general"), ROWS, folder=tmp_path).general
    assert len(set(found)) == 100
    for name in ("nike", "reviews", "everyday"):
        assert not {p.text for p in read_prompts(Compare(prompts_file=name), tmp_path)} & set(found)


def test_golden_and_general_rows_are_read(tmp_path):
    (tmp_path / "golden.csv").write_text("text,label\ngood,1\n,0\n")
    (tmp_path / "general.jsonl").write_text('{"text": "once"}\n{"text": null}\n')
    found = gather_questions(
        Compare(golden="golden.csv", general="general.jsonl"), ROWS, folder=tmp_path
    )
    assert found.golden.select("row_id", "text").rows() == [("0", "good")]
    assert found.general == ("once",)
    (tmp_path / "golden.csv").write_text("body\ngood\n")
    with pytest.raises(RecipeError, match=r"no column 'text' in golden\.csv; it has body"):
        gather_questions(Compare(golden="golden.csv"), ROWS, folder=tmp_path)


def test_the_largest_number_of_rows_does_not_depend_on_their_order(tmp_path):
    compare = Compare(max_rows=1)
    one = gather_questions(compare, ROWS, folder=tmp_path)
    assert one.rows["row_id"].to_list() == ["b"]
    assert one.cut == 2
    assert (
        one.content_hash()
        == gather_questions(compare, ROWS.reverse(), folder=tmp_path).content_hash()
    )


@pytest.mark.parametrize(
    "other",
    [
        QuestionSet(ROWS, seed=1),
        QuestionSet(ROWS, (Prompt("a"),)),
        QuestionSet(ROWS, general=("a",)),
        QuestionSet(ROWS, outside=("a",)),
        QuestionSet(ROWS, golden=ROWS),
        QuestionSet(ROWS.head(2)),
        QuestionSet(ROWS, settings={"max_new_tokens": 2}),
    ],
)
def test_the_hash_covers_every_question(other):
    assert other.content_hash() != QuestionSet(ROWS).content_hash()


def test_lists_are_files_or_shipped_ones(tmp_path):
    (tmp_path / "mine.txt").write_text("good # yes\n\n# no\nnice\ngood\n")
    assert read_words("mine.txt", folder=tmp_path) == ("good", "nice")
    with pytest.raises(RecipeError, match="no word list 'none'"):
        read_words("none", folder=tmp_path)
    with pytest.raises(RecipeError, match="no word list 'none'"):
        ComparisonSetting(Compare(positive="none"), tmp_path).read_word_lists()


def test_intervals_draw_what_the_split_keeps_together():
    texts, authors = [f"text {i}" for i in range(40)], [i // 4 for i in range(40)]
    rows = pl.DataFrame({"text": texts, "author": authors})
    drawn = ComparisonSetting(split_group=("author",)).make_bootstrap(0, rows)
    assert (drawn.unit, drawn.units) == ("group of rows", 10)
    alone = ComparisonSetting().make_bootstrap(0, rows)
    assert (alone.unit, alone.units) == ("row", 40)
