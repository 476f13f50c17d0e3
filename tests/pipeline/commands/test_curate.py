from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.explain import explain_recipe
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.errors import (
    FaultBudgetExceeded,
    GateFailed,
    OutputError,
    SiftsetError,
    SourceError,
)
from siftset.schemas.results.summary import CurateResult

ROOT = Path(__file__).parents[3]
PROGRAM = "from siftset.pipeline.cli import app; app()"
ROWS: list[dict[str, object]] = [
    {"text": "a good long sentence", "label": "p", "stars": 5},
    {"text": "a  good long sentence", "label": "p", "stars": 4},
    {"text": "short", "label": "n", "stars": 3},
    {"text": None, "label": "p", "stars": 2},
    {"text": "   ", "label": None, "stars": 1},
    {"text": "bad but long enough", "label": "n", "stars": 1},
    {"text": "another good one, long", "label": "p", "stars": 5},
]
RECIPE: dict[str, object] = {
    "name": "test",
    "output": "out",
    "source": {"files": {"paths": ["in.jsonl"], "label": "label"}},
    "signals": {
        "long": {"length": {"min": 10}},
        "bad": {"keyword": {"words": ["bad"]}},
    },
    "keep": "long & ~bad",
    "integrity": {"rows": {"text": {"not_null": True, "not_blank": True}}},
    "split": {"train": 0.5, "validation": 0.5},
}


def write(folder: Path, *, rows: list[dict[str, object]] | None = None, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(row) for row in (ROWS if rows is None else rows)]
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    path = folder / "recipe.json"
    path.write_text(json.dumps({**RECIPE, **changes}))
    return path


def put_aside(result: CurateResult, name: str) -> pl.DataFrame:
    return pl.read_parquet(result.report.parent / name / "*.parquet")


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in files}


def published(output: Path) -> pl.DataFrame:
    return pl.read_delta(str(output / "set")).sort("row_id")


def test_every_row_ends_in_one_place(tmp_path):
    result = curate(write(tmp_path))
    assert result.rows.to_json() == {
        "read": 7, "kept": 2, "rejected": 2, "quarantined": 2, "duplicate": 1, "unreadable": 0,
    }  # fmt: skip
    assert {n: put_aside(result, n).height for n in ("rejected", "duplicates", "quarantine")} == {
        "rejected": 2, "duplicates": 1, "quarantine": 2,
    }  # fmt: skip
    assert put_aside(result, "unreadable").height == 0
    reasons = put_aside(result, "quarantine").select("_reasons", "stars").rows()
    assert reasons == [(["text: null"], 2), (["text: blank"], 1)]
    rejected = put_aside(result, "rejected")
    assert rejected.columns == [
        "row_id", "label", "source", "signals", "scores", "clause", "text",
    ]  # fmt: skip
    assert rejected.select("text", "clause").rows() == [
        ("short", "long"), ("bad but long enough", "~bad"),
    ]  # fmt: skip


def test_the_columns_of_the_set(tmp_path):
    result = curate(write(tmp_path))
    frame = published(result.output)
    assert frame.columns == [
        "text", "label", "stars", "row_id", "split", "signals", "scores", "source", "run_id",
        "formula",
    ]  # fmt: skip
    assert frame.schema["signals"] == pl.Struct({"long": pl.String, "bad": pl.String})
    assert frame.schema["scores"] == pl.Struct({"long": pl.Float64})
    assert frame.schema["source"] == pl.Struct({"file": pl.String, "record": pl.Int64})
    assert frame["signals"].struct.unnest().unique().rows() == [("true", "false")]
    assert frame["run_id"].unique().to_list() == [result.run_id]
    assert sorted(row["record"] for row in frame["source"]) == [0, 6]
    assert frame["row_id"].str.contains(r"^[0-9a-f]{32}$").all()


def test_duplicates_point_at_the_row_that_they_repeat(tmp_path):
    result = curate(write(tmp_path))
    repeats = put_aside(result, "duplicates").row(0, named=True)
    kept = published(result.output).filter(pl.col("row_id") == repeats["duplicate_of"])
    assert (repeats["kind"], repeats["text"]) == ("exact", "a  good long sentence")
    assert kept["text"].to_list() == ["a good long sentence"]


def test_the_manifest_tells_what_was_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_LENGTH", "10")
    signals = {
        "long": {"length": {"min": "${SECRET_LENGTH}"}},
        "bad": {"keyword": {"words": ["bad"]}},
    }
    try:
        result = curate(write(tmp_path, signals=signals))
    except SiftsetError:
        pytest.skip("environment variables are texts here")
    text = (result.report.parent / "manifest.json").read_text()
    assert "${SECRET_LENGTH}" in text


def test_the_manifest_holds_balance_and_hashes(tmp_path):
    result = curate(write(tmp_path))
    found = json.loads((result.report.parent / "manifest.json").read_text())
    assert found["state"] == "published"
    assert found["version"] == 0
    assert found["rows"] == result.rows.to_json()
    assert set(found["signals"]) == {"long", "bad"}
    assert found["inputs"][0]["records"] == 7
    assert result.report.read_text().startswith("<!")


def test_the_same_again_writes_nothing(tmp_path):
    path = write(tmp_path)
    first = curate(path)
    before = tree(first.output)
    again = curate(path)
    assert tree(first.output) == before
    assert not again.new
    expected = {**first.to_json(), "new": False, "seconds": 0}
    assert {**again.to_json(), "seconds": 0} == expected


def test_the_same_again_is_known_without_the_runs_folder(tmp_path):
    path = write(tmp_path)
    first = curate(path)
    first.report.parent.rename(tmp_path / "elsewhere")
    again = curate(path)
    assert (again.new, again.version, again.rows) == (False, 0, first.rows)


CHANGES = [
    ("the formula", {"keep": "long"}),
    (
        "a parameter of a signal",
        {"signals": {**RECIPE["signals"], "long": {"length": {"min": 12}}}},
    ),  # type: ignore[dict-item]
    ("the seed", {"seed": 8}),
    ("the input", {"rows": [*ROWS, {"text": "one more long row", "label": "p", "stars": 1}]}),
]


@pytest.mark.parametrize(("what", "changes"), CHANGES)
def test_a_change_makes_a_new_version(tmp_path, what, changes):
    curate(write(tmp_path))
    result = curate(write(tmp_path, **changes))
    assert (result.new, result.version) == (True, 1)
    folders = sorted(path.name for path in (tmp_path / "out/versions").iterdir())
    assert folders == ["0", "1"]


def test_what_is_not_of_the_set_makes_none(tmp_path):
    curate(write(tmp_path))
    again = curate(write(tmp_path, train={"task": "mlm"}, compare={"prompts": ["[MASK]"]}))
    assert not again.new


PREVIEWS = [
    (CurateOptions(limit=3), 3),
    (CurateOptions(sample=4), 4),
    (CurateOptions(dry_run=True), 7),
]


@pytest.mark.parametrize(("options", "read"), PREVIEWS)
def test_a_preview_publishes_nothing(tmp_path, options, read):
    path = write(tmp_path)
    curate(path)
    before = tree(tmp_path / "out")
    changed = write(tmp_path, keep="long")
    for _ in range(2):
        result = curate(changed, options=options)
    assert (result.version, result.rows.read) == (None, read)
    assert result.report == tmp_path / "out/preview/report.html"
    kept = pl.read_parquet(tmp_path / "out/preview/set/*.parquet")
    assert kept.height == result.rows.kept
    after = {k: v for k, v in tree(tmp_path / "out").items() if not k.startswith("preview")}
    assert after == before


def test_a_folder_of_the_user_is_not_taken_for_a_preview(tmp_path):
    mine = tmp_path / "out/preview/mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("keep me")
    with pytest.raises(OutputError, match="holds 'preview' that siftset did not write"):
        curate(write(tmp_path), options=CurateOptions(limit=3))
    assert mine.read_text() == "keep me"
    shutil.rmtree(tmp_path / "out")
    curate(write(tmp_path))
    mine.parent.mkdir()
    mine.write_text("keep me")
    with pytest.raises(OutputError, match="no preview of siftset"):
        curate(write(tmp_path), options=CurateOptions(limit=3))
    assert mine.read_text() == "keep me"


def test_what_lies_in_the_output_folder_stays(tmp_path):
    mine = tmp_path / "out/set/mine.parquet"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"not parquet")
    with pytest.raises(OutputError, match="holds 'set' that siftset did not write"):
        curate(write(tmp_path))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]
    mine.unlink()
    (tmp_path / "out/mine.txt").write_text("beside")
    result = curate(write(tmp_path))
    assert published(result.output).height == 2
    assert (tmp_path / "out/mine.txt").read_text() == "beside"


FAULTY = '''
from siftset import signal


@signal
def picky(text: str) -> bool:
    """Raises on one row."""
    if "another" in text:
        raise ValueError("cannot read this")
    return True
'''


def faulty(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(FAULTY)
    signals = {**RECIPE["signals"], "picky": {"python": "mine.py:picky"}}  # type: ignore[dict-item]
    return write(folder, signals=signals, **{"keep": "long & ~bad & picky", **changes})


def test_one_fault_stops_publishing_and_is_told(tmp_path):
    with pytest.raises(FaultBudgetExceeded, match="signal 'picky' on row") as caught:
        curate(faulty(tmp_path))
    assert caught.value.exit_code == 4
    (run,) = (tmp_path / "out/runs").iterdir()
    (fault,) = json.loads((run / "faults.json").read_text())["faults"]
    assert fault["signal"] == "picky"
    assert "cannot read this" in fault["traceback"]
    assert "in picky" in fault["traceback"]
    assert str(run) in str(caught.value)
    assert not (tmp_path / "out/set").exists()
    page = (run / "report.html").read_text()
    for told in ("ValueError: cannot read this", "max_fault_rate 0", "faults.json"):
        assert told in page
    metrics = json.loads((run / "metrics.json").read_text())
    (check,) = (one for one in metrics["checks"] if one["name"] == "signal faults")
    _, _, recipe, _, row_id = check["advice"].split("  ")[1].split()
    told = explain_recipe(recipe, row_id)
    assert "quarantined: signal fault" in told.text
    assert "in picky" in told.text


def test_a_run_that_dies_of_a_defect_leaves_its_folder_and_the_index_shows_it(
    tmp_path, monkeypatch
):
    def die(*_args: object, **_more: object) -> None:
        raise KeyError("a & b")

    monkeypatch.setattr("siftset.pipeline.commands.publish_run.assess_run", die)
    with pytest.raises(KeyError) as caught:
        curate(write(tmp_path))
    (run,) = (tmp_path / "out/runs").iterdir()
    assert str(run) in "".join(caught.value.__notes__)
    assert "in die" in (run / "error.txt").read_text()
    assert json.loads((run / "manifest.json").read_text())["state"] == "died"
    page = (run / "report.html").read_text()
    assert "The run died of KeyError: &#x27;a &amp; b&#x27;, after 7 rows" in page
    index = (tmp_path / "out/index.html").read_text()
    assert f"runs/{run.name}/report.html" in index
    assert "failed" in index
    monkeypatch.undo()
    assert curate(tmp_path / "recipe.json").version == 0


def test_within_the_budget_the_row_is_quarantined_and_the_others_stay(tmp_path):
    result = curate(faulty(tmp_path, max_fault_rate=0.2))
    assert result.rows.to_json() == {
        "read": 7, "kept": 1, "rejected": 2, "quarantined": 3, "duplicate": 1, "unreadable": 0,
    }  # fmt: skip
    last = put_aside(result, "quarantine").filter(pl.col("text") == "another good one, long")
    assert last["_reasons"].to_list() == [["signal fault"]]
    metrics = json.loads((result.report.parent / "metrics.json").read_text())
    (check,) = (one for one in metrics["checks"] if one["name"] == "signal faults")
    assert (check["failed"], check["rows"], check["severity"]) == (1, 7, "warning")
    assert check["examples"][0]["reason"] == "picky: ValueError: cannot read this"


def test_a_fault_that_does_not_matter_costs_nothing(tmp_path):
    result = curate(faulty(tmp_path, keep="long & (~bad | picky)", order="pinned"))
    assert (result.rows.kept, result.rows.quarantined) == (3, 2)


def test_unreadable_records_are_put_aside_up_to_a_share(tmp_path):
    path = write(tmp_path)
    with (tmp_path / "in.jsonl").open("a") as handle:
        handle.write('{"text": "broken\n')
    with pytest.raises(FaultBudgetExceeded, match="1 of 8 records is unreadable"):
        curate(path)
    (run,) = (tmp_path / "out/runs").iterdir()
    page = (run / "report.html").read_text()
    assert "max_unreadable_share 0.01" in page
    assert "in.jsonl record 7" in page
    path = write(tmp_path, max_unreadable_share=0.5)
    with (tmp_path / "in.jsonl").open("a") as handle:
        handle.write('{"text": "broken\n')
    result = curate(path)
    assert result.rows.unreadable == 1
    assert put_aside(result, "unreadable")["raw"].to_list() == ['{"text": "broken']


def test_nothing_kept_is_refused_unless_allowed(tmp_path):
    with pytest.raises(GateFailed, match="no row of 7 was kept") as caught:
        curate(write(tmp_path, keep="long & ~long"))
    assert caught.value.exit_code == 3
    result = curate(write(tmp_path, keep="long & ~long", allow_empty=True))
    assert (result.version, result.set_rows) == (0, 0)
    assert published(result.output).is_empty()


BLOCKERS = [
    ({"rows": {"text": {"not_null": True, "action": "block"}}}, "text: null in 1 row"),
    (
        {"thresholds": {"rejected_share": {"critical": 0.1}}},
        "rejected_share is 57.14%, critical above 10%",
    ),
]


@pytest.mark.parametrize(("integrity", "message"), BLOCKERS)
def test_the_gate_blocks(tmp_path, integrity, message):
    curate(write(tmp_path))
    before = published(tmp_path / "out")
    with pytest.raises(GateFailed, match=message):
        curate(write(tmp_path, integrity=integrity))
    assert published(tmp_path / "out").equals(before)
    latest = sorted((tmp_path / "out/runs").iterdir())[-1]
    assert json.loads((latest / "manifest.json").read_text())["state"] == "refused"


def test_a_repeated_id_with_other_content_is_refused(tmp_path):
    rows = [{"id": 1, "text": "a good long one"}, {"id": 1, "text": "quite another one"}]
    source = {"files": {"paths": ["in.jsonl"], "id": "id"}}
    with pytest.raises(SourceError, match="have one id and different contents"):
        curate(write(tmp_path, rows=rows, source=source))
    result = curate(write(tmp_path, rows=rows, source=source, refresh={"merge": "upsert"}))
    assert published(result.output)["text"].to_list() == ["quite another one"]
    assert (result.rows.kept, result.rows.duplicate) == (1, 1)


def test_a_frame_in_the_place_of_the_source(tmp_path):
    frame = pl.DataFrame(
        {"text": ["a good long sentence", "short", None], "label": ["p", "n", "p"]}
    )
    result = curate(write(tmp_path), frame)
    assert result.rows.to_json() == {
        "read": 3, "kept": 1, "rejected": 1, "quarantined": 1, "duplicate": 0, "unreadable": 0,
    }  # fmt: skip
    assert not curate(write(tmp_path), frame).new


def test_an_output_that_cannot_be_written_is_told_first(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        curate(write(tmp_path, output="file/out"))


def test_the_other_engine_is_told_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.run.context.find_spec", lambda name: None)
    with pytest.raises(SiftsetError, match=r'pip install "siftset\[ray\]"'):
        curate(write(tmp_path), options=CurateOptions(engine="ray"))


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.sampled_from([*ROWS, {"text": "yet more good text"}]), min_size=1, max_size=60),
    st.integers(1, 9),
    st.sampled_from(["1", "4"]),
)
def test_batches_and_threads_change_no_row(tmp_path_factory, rows, batch, workers):
    folder = tmp_path_factory.mktemp("run")
    schema = {"text": pl.String, "label": pl.String, "stars": pl.Int64}
    path, data = write(folder, allow_empty=True), pl.DataFrame(rows, schema=schema)
    first = curate(path, data, overrides=[f"output={folder / 'one'}"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIFTSET_WORKERS", workers)
        patch.setattr("siftset.pipeline.sources.python_data.BATCH_ROWS", batch)
        patch.setattr("siftset.pipeline.sources.python_data.PART_ROWS", 2 * batch)
        second = curate(path, data, overrides=[f"output={folder / 'two'}"])
    assert second.rows == first.rows
    assert first.output != second.output
    ours = pl.exclude("run_id")
    assert published(first.output).select(ours).equals(published(second.output).select(ours))


SLOW = '''
import time
from siftset import signal


@signal
def slow(text: str) -> bool:
    """Takes its time."""
    time.sleep(0.05)
    return True
'''


def slow_run(folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(SLOW)
    rows: list[dict[str, object]] = [{"text": f"row number {n}"} for n in range(2_000)]
    source = {"files": {"paths": ["in.jsonl"]}}
    path = write(
        folder, rows=rows, source=source, keep="slow", signals={"slow": {"python": "mine.py:slow"}}
    )
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "curate", str(path), "--json"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "out/.work").is_dir():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing_behind(tmp_path, number, code):
    process = slow_run(tmp_path)
    process.send_signal(number)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == code
    assert json.loads(out)["exit_code"] == code
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {".lock"}


def test_a_killed_run_is_swept_up_by_the_next(tmp_path):
    process = slow_run(tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / "out/.work").is_dir()
    result = curate(write(tmp_path))
    assert result.version == 0
    assert not (tmp_path / "out/.work").exists()


def test_the_next_run_completes_what_a_kill_left_undone(tmp_path):
    path = write(tmp_path)
    first = curate(path)
    folder = first.report.parent
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(
        json.dumps({**manifest, "state": "prepared", "version": None})
    )
    (folder / "report.html").unlink()
    for file in (tmp_path / "out/versions/0").iterdir():
        file.unlink()
    (tmp_path / "out/versions/0").rmdir()
    assert not curate(path).new
    assert json.loads((folder / "manifest.json").read_text())["version"] == 0
    assert first.report.is_file()
    assert sum(pl.read_parquet(f).height for f in (tmp_path / "out/versions/0").iterdir()) == 2


def test_a_run_that_is_under_way_holds_the_lock(tmp_path):
    process = slow_run(tmp_path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "curate", str(tmp_path / "recipe.json")],
            cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ},
        )  # fmt: skip
    finally:
        process.kill()
        process.communicate()
    assert done.returncode == 5
    assert done.stderr.startswith("error: another run")
    assert "Traceback" not in done.stderr
