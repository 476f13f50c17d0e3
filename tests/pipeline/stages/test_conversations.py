"""Conversations through a whole run: rules, duplicates, split, views."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.explain import explain_recipe
from siftset.pipeline.refresh import refresh_set
from siftset.pipeline.run.job import load_job
from siftset.pipeline.storage.table import Store
from siftset.schemas.conversations import VIEWS
from siftset.schemas.errors import GateFailed, RecipeError, SignalError

CASES = Path(__file__).resolve().parents[3] / ".." / "shared" / "cases" / "shapes"


def read_outcome(output: Path) -> dict[str, pl.DataFrame]:
    """Return where the rows of the only run went, by what became of them, with their records."""
    [run] = sorted((output / "runs").iterdir())
    found = {
        place: pl.read_parquet(run / place / "*.parquet")
        for place in ("quarantine", "duplicates", "rejected")
    }
    found["kept"] = Store(output).scan(None).collect()
    return {
        place: rows.with_columns(record=pl.col("source").struct.field("record")).sort("record")
        for place, rows in found.items()
    }


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not there")
@pytest.mark.parametrize("case", ["01_openai", "02_sharegpt", "03_alpaca", "04_preference"])
def test_shared_cases_come_out_as_expected(case: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CASES / case, tmp_path / case))
    expected = json.loads((folder / "expect.json").read_text())
    result = curate(folder / "recipe.yaml")
    balance = result.rows.to_json()
    assert {key: balance[key] for key in expected["balance"]} == expected["balance"]
    assert balance["read"] == expected["read"]
    found = read_outcome(result.output)
    reasons = {str(r): x for r, x in found["quarantine"].select("record", "_reasons").iter_rows()}
    assert reasons == expected["quarantined"]
    kept = {row["record"]: row for row in found["kept"].to_dicts()}
    for record, text in expected.get("text", {}).items():
        assert kept[int(record)]["text"] == text
    for record, turns in expected.get("messages", {}).items():
        told = [[turn["role"], turn["content"]] for turn in kept[int(record)]["messages"]]
        assert told == turns
    ids = {row["row_id"]: row["record"] for row in kept.values()}
    repeats = found["duplicates"].select("record", "duplicate_of").iter_rows()
    assert {str(at): ids[of] for at, of in repeats} == expected.get("duplicates", {})
    for one, other in expected.get("same_side", ()):
        assert kept[one]["split"] == kept[other]["split"]
    assert set(expected.get("kept_columns", ())) <= set(found["kept"].columns)


def talk(*turns: tuple[str, str | None], **extra: Any) -> list[dict[str, Any]]:
    """Return messages; the further keys are those of the last one."""
    made: list[dict[str, Any]] = [{"role": role, "content": content} for role, content in turns]
    if extra:
        made[-1] |= extra
    return made


def write_recipe(folder: Path, rows: list[Any], **sections: Any) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(row if isinstance(row, dict) else {"messages": row}) for row in rows]
    (folder / "chat.jsonl").write_text("\n".join(lines) + "\n")
    recipe = {
        "name": "chat",
        "output": "out",
        "source": {"files": {"paths": ["chat.jsonl"], "messages": "messages"}},
        "signals": {"some": {"length": {"min": 1}}},
        "keep": "some",
        **sections,
    }
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder / "recipe.json"


def reasons_of(tmp_path: Path, rows: list[Any], rules: dict[str, Any]) -> list[list[str]]:
    job = load_job(write_recipe(tmp_path, rows, integrity={"messages": rules}))
    frame = job.sources.frame()
    failing = frame.select(job.rules.failing()).to_series().to_list()
    found: list[list[str]] = frame.select(job.rules.reasons()).to_series().to_list()
    assert failing == [bool(reasons) for reasons in found]
    return found


U, A, T, S = ("user", "u"), ("assistant", "a"), ("tool", "t"), ("system", "s")
CALL = {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("turns", "reasons"),
    [
        (talk(U, A), []),
        (talk(S, U, A, U, A), []),
        (talk(A, U, A), []),
        (talk(S, A), []),
        (None, ["no_turns"]),
        ([], ["no_turns"]),
        (talk(U, ("robot", "x"), A), ["unknown_role"]),
        (talk(U, S, A), ["not_alternating"]),
        (talk(U, U, A), ["not_alternating"]),
        (talk(U, A, A), ["not_alternating"]),
        (talk(T, A), ["not_alternating"]),
        (talk(U, T, A), ["not_alternating"]),
        (talk(U), ["last_not_answer"]),
        (talk(U, ("assistant", " \n")), ["blank_turn"]),
        (talk(U, ("assistant", None)), ["blank_turn"]),
        (talk(U, ("assistant", None), **CALL), ["tool_call_unmatched"]),
        ([*talk(U, ("assistant", None), **CALL), *talk(T, A)], ["tool_call_unmatched"]),
        ([*talk(U, ("assistant", None), **CALL), *talk(T, tool_call_id="1"), *talk(A)], []),
        (talk(U, A, content="</s>"), ["control_token"]),
        (talk(U, A, content="<|x|>"), ["control_token"]),
        (talk(U, A, content="[/INST]"), ["control_token"]),
        (talk(U, A, content="a <b> | c </strong>"), []),
        (talk(U, A, content=[{"type": "text", "text": "x"}]), []),
        (talk(U, A, content=[{"type": "audio"}]), ["not_text"]),
        (talk(U, A, content=7), ["not_text"]),
        (talk(U, A, weight=1), []),
        (talk(U, A, weight=False), []),
        (talk(U, A, weight=2), ["bad_weight"]),
        (talk(U, A, weight="often"), ["bad_weight"]),
    ],
)
def test_each_rule_has_its_reason(turns: Any, reasons: list[str], tmp_path: Path) -> None:
    rows = [turns, talk(("user", "sound"), ("assistant", "row"))]
    assert reasons_of(tmp_path, rows, {}) == [reasons, []]


def test_arguments_that_are_no_json_match_no_call(tmp_path: Path) -> None:
    call = {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{x"}}]}
    row = [*talk(U, ("assistant", None), **call), *talk(T, tool_call_id="1"), *talk(A)]
    assert reasons_of(tmp_path, [row], {}) == [["tool_call_unmatched"]]


def test_rules_with_a_value_and_rules_that_are_switched_off(tmp_path: Path) -> None:
    rows = [talk(S, U, A), talk(S, A, U, A), talk(S, U), []]
    limits = {"starts_with": "user", "min_turns": 2, "max_turns": 2, "max_chars": 3}
    assert reasons_of(tmp_path, rows, limits) == [
        [],
        ["first_not_user", "max_turns", "max_chars"],
        ["last_not_answer", "min_turns"],
        ["no_turns"],
    ]
    off = {"no_turns": False, "last_not_answer": False, "not_alternating": False}
    assert reasons_of(tmp_path, [*rows[1:], talk(U, U)], off) == [[], [], [], []]


def test_a_rule_may_warn_or_block_and_thresholds_count_it(tmp_path: Path) -> None:
    rows = [talk(U, A), talk(U, ("assistant", "</s>")), talk(U)]
    rules = {"actions": {"control_token": "warn"}}
    result = curate(write_recipe(tmp_path / "a", rows, integrity={"messages": rules}))
    assert result.rows.quarantined == 1
    limits = {"messages_control_token_share": {"critical": 0.3}}
    integrity = {"messages": rules, "thresholds": limits}
    recipe = write_recipe(tmp_path / "b", rows, integrity=integrity)
    with pytest.raises(GateFailed, match="messages_control_token_share"):
        curate(recipe)
    blocking = {"actions": {"last_not_answer": "block"}}
    with pytest.raises(GateFailed, match="last_not_answer in 1 row"):
        curate(write_recipe(tmp_path / "c", rows, integrity={"messages": blocking}))


def test_rules_without_conversations_are_an_error(tmp_path: Path) -> None:
    source = {"files": {"paths": ["chat.jsonl"], "text": "messages"}}
    recipe = write_recipe(tmp_path, [talk(U, A)], source=source, integrity={"messages": {}})
    with pytest.raises(RecipeError, match=r"integrity\.messages: the source makes no"):
        load_job(recipe)
    recipe = write_recipe(tmp_path, [talk(U, A)], source=source, dedupe={"on": "messages"})
    with pytest.raises(RecipeError, match=r"dedupe\.on: messages  and the source makes no"):
        load_job(recipe)


def test_signals_and_rules_read_views(tmp_path: Path) -> None:
    rows = [
        talk(("user", "nike shoes"), ("assistant", "Sure.")),
        talk(("user", "shoes"), ("assistant", "nike it is.")),
        talk(("user", "nike"), ("assistant", "x" * 50)),
        talk(("system", "s"), ("user", "nike?"), ("assistant", "b"), ("user", "c"), A),
    ]
    signals = {
        "about": {"keyword": {"words": ["nike"], "column": "messages.user"}},
        "short": {"number": {"column": "messages.turns", "max": 3}},
    }
    limits = {"messages.assistant": {"max_chars": 40}}
    recipe = write_recipe(
        tmp_path, rows, signals=signals, keep="about & short", integrity={"rows": limits}
    )
    found = read_outcome(curate(recipe).output)
    assert found["kept"]["record"].to_list() == [0]
    assert found["rejected"].select("record", pl.col("clause").cast(pl.String)).rows() == [
        (1, "about"),
        (3, "short"),
    ]
    reason = "messages.assistant: longer than 40 characters"
    assert found["quarantine"]["_reasons"].to_list() == [[reason]]
    for rows_of in found.values():
        assert not set(rows_of.columns) & set(VIEWS), "views are computed, never stored"


def test_a_view_of_no_conversation_is_a_missing_column(tmp_path: Path) -> None:
    source = {"files": {"paths": ["chat.jsonl"], "text": "messages"}}
    signals = {"about": {"keyword": {"words": ["nike"], "column": "messages.user"}}}
    recipe = write_recipe(tmp_path, [talk(U, A)], source=source, signals=signals, keep="about")
    with pytest.raises(SignalError, match=r"reads column 'messages\.user', which the data lacks"):
        load_job(recipe)


def test_metrics_of_ones_own_read_views(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import polars as pl\n\n\ndef answers(rows):\n"
        '    return rows.select(pl.col("messages.answers").mean()).collect().item()\n'
    )
    rows = [talk(U, A), talk(("user", "v"), A, ("user", "w"), A)]
    recipe = write_recipe(tmp_path, rows, integrity={"metrics": {"mean": "own.py:answers"}})
    result = curate(recipe)
    [run] = sorted((result.output / "runs").iterdir())
    assert json.loads((run / "metrics.json").read_text())["custom"]["mean"] == 1.5


@pytest.mark.parametrize(
    ("on", "repeats"),
    [(None, [1, 2]), ("messages", [1, 2]), ("text", [1, 2, 4]), (["topic"], [3, 4])],
)
def test_duplicates_are_equal_in_what_is_compared(
    on: Any, repeats: list[int], tmp_path: Path
) -> None:
    rows = [
        {"messages": talk(S, U, A), "topic": "x"},
        {"messages": talk(("user", " u "), A, weight=0), "topic": "y"},
        {"messages": talk(("system", "other"), U, ("assistant", "a\n")), "topic": None},
        {"messages": talk(("user", "u"), ("assistant", "b")), "topic": "x"},
        # the same text by other speakers
        {"messages": talk(("assistant", "u"), ("user", "a")), "topic": " y"},
    ]
    dedupe = {} if on is None else {"dedupe": {"on": on}}
    found = read_outcome(curate(write_recipe(tmp_path, rows, **dedupe)).output)
    assert found["duplicates"]["record"].to_list() == repeats


def test_answers_to_one_question_are_on_one_side(tmp_path: Path) -> None:
    rows = [
        talk((("user", f"question {i % 40}?")), ("assistant", f"answer {i}")) for i in range(200)
    ]
    split = {"train": 0.5, "validation": 0.5}
    kept = read_outcome(curate(write_recipe(tmp_path, rows, split=split)).output)["kept"]
    sides = kept.group_by(pl.col("record") % 40).agg(pl.col("split").n_unique())
    assert sides["split"].to_list() == [1] * 40
    assert kept["split"].n_unique() == 2


def test_differs_from_names_the_other_column(tmp_path: Path) -> None:
    rows = [{"messages": talk(U, A), "chosen": c, "rejected": "x"} for c in ("x", "y", None)]
    rules = {"chosen": {"differs_from": "rejected"}}
    found = read_outcome(curate(write_recipe(tmp_path, rows, integrity={"rows": rules})).output)
    assert found["quarantine"].select("record", "_reasons").rows() == [
        (0, ["chosen: same as rejected"])
    ]
    rules = {"chosen": {"differs_from": "refused"}}
    with pytest.raises(RecipeError, match="differs_from: the data has no column 'refused'"):
        load_job(write_recipe(tmp_path, rows, integrity={"rows": rules}))


def test_reports_and_explanations_show_turns_with_their_roles(tmp_path: Path) -> None:
    call = {"tool_calls": [{"id": "1"}]}
    rows = [talk(("user", "hi <b>"), ("assistant", None), **call), talk(("user", "alone"))]
    rules = {"last_not_answer": True, "tool_call_unmatched": False}
    recipe = write_recipe(tmp_path, rows, integrity={"messages": rules})
    result = curate(recipe)
    metrics = json.loads((result.report.parent / "metrics.json").read_text())
    shown = {name: [row["text"] for row in found] for name, found in metrics["samples"].items()}
    assert shown["kept"] == ['user: hi <b>\nassistant: {"tool_calls":[{"id":"1"}]}']
    assert shown["quarantined"] == ["user: alone"]
    assert "user: hi &lt;b&gt;\nassistant: " in result.report.read_text()
    [kept] = read_outcome(result.output)["kept"]["row_id"]
    told = explain_recipe(recipe, kept).text.splitlines()
    assert told[-2:] == ["  user: hi <b>", '  assistant: {"tool_calls":[{"id":"1"}]}']


def test_conversations_that_begin_longer_ones_are_counted_and_removed(tmp_path: Path) -> None:
    more = [("user", "v"), ("assistant", "b"), ("user", "w"), ("assistant", "c")]
    rows = [
        talk(U, A),
        talk(S, U, A, *more[:2]),
        talk(("user", "other"), A),
        talk(U, A, *more),
        talk(("user", "u "), ("assistant", "a")),
        talk(U, A, ("user", "v"), ("assistant", "another")),
        # neither begins the other
        talk(U, A, ("user", "w"), ("assistant", "c")),
    ]
    result = curate(write_recipe(tmp_path / "counted", rows))
    metrics = json.loads((result.report.parent / "metrics.json").read_text())
    assert result.rows.duplicate == 1
    assert metrics["custom"] == {"prefix_share": pytest.approx(2 / 6)}
    limits = {"thresholds": {"prefix_share": {"critical": 0.1}}}
    with pytest.raises(GateFailed, match="prefix_share"):
        curate(write_recipe(tmp_path / "held", rows, integrity=limits))

    recipe = write_recipe(tmp_path / "removed", rows, dedupe={"prefixes": True}, integrity=limits)
    found = read_outcome(curate(recipe).output)
    ids = dict(found["kept"].select("row_id", "record").iter_rows())
    assert sorted(ids.values()) == [2, 3, 5, 6]
    repeats = found["duplicates"].select("record", "kind", "duplicate_of").iter_rows()
    assert [(at, kind, ids[of]) for at, kind, of in repeats] == [
        (0, "prefix", 3),
        (1, "prefix", 3),
        (4, "exact", 3),
    ]


def test_a_text_that_is_named_is_another_set_than_one_that_is_made(tmp_path: Path) -> None:
    rows = [{"messages": talk(U, A), "text": "mine"}]
    keys = set()
    for text in ({}, {"text": "text"}):
        files = {"paths": ["chat.jsonl"], "messages": "messages", **text}
        keys.add(load_job(write_recipe(tmp_path, rows, source={"files": files})).key)
    assert len(keys) == 2


def test_a_refresh_replaces_a_conversation_by_the_longer_one(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, [talk(U, A), talk(("user", "x"), A)], dedupe={"prefixes": True})
    refresh_set(recipe)
    more = talk(U, A, ("user", "v"), ("assistant", "b"))
    with (tmp_path / "chat.jsonl").open("a") as file:
        file.write(json.dumps({"messages": more}) + "\n")
    result = refresh_set(recipe)
    assert result.set_rows == 2
    texts = Store(result.output).scan(None).collect()["text"]
    assert sorted(texts) == ["u\n\na\n\nv\n\nb", "x\n\na"]
