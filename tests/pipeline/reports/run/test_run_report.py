from __future__ import annotations

import html
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from siftset.pipeline.cli import app
from siftset.pipeline.reports.page import read_asset
from siftset.pipeline.reports.run import find_statements, run_report
from siftset.schemas.results.funnel_metrics import LeaveOneOut, SignalMetrics
from siftset.schemas.results.metrics import Check, Leak, Rows, Run, RunMetrics
from siftset.schemas.results.metrics_part import Example
from siftset.schemas.results.profile_metrics import Profile, TokenUse, Words

TITLES = [
    "Verdict", "Balance and signals", "Checks", "Null, empty, blank", "Duplicates", "Lengths",
    "Encoding and contents", "Languages and scripts", "Labels by source", "Leakage between splits",
    "Drift", "Samples", "Links",
]  # fmt: skip

ENUMS = {"verdict", "command", "severity", "stage", "level", "schema_version"}


def poison(value, payload: str, key: str = ""):
    """Replace every text of a JSON value, keys of free mappings included."""
    if isinstance(value, dict):
        free = key in FREE
        return {payload + k if free else k: poison(v, payload, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poison(one, payload, key) for one in value]
    if isinstance(value, str) and key not in ENUMS and value not in ("exact", "near"):
        return payload + value
    return value


FREE = {"versions", "splits", "clauses", "scripts", "languages", "labels", "samples", "links"}
FREE |= {"custom", "synthesize"}


def _headings(page: str) -> list[str]:
    found = re.findall(r"<h2>(?:<span class=\"n\">\d+</span>)?([^<]*?) ?<", page)
    return [one.strip() for one in found]


def test_the_thirteen_parts_stand_in_order(metrics: RunMetrics) -> None:
    assert _headings(run_report(metrics)) == TITLES


def test_a_run_with_nothing_but_a_balance_has_all_parts_too() -> None:
    bare = RunMetrics(verdict="pass", run=Run(run_id="r", recipe="x"), rows=Rows(read=3, kept=3))
    assert _headings(run_report(bare)) == TITLES


def test_a_signal_that_removes_nothing_is_said_at_the_top(metrics: RunMetrics) -> None:
    claim = (
        "The <code>product</code> signal removes nothing (leave-one-out: 0 of a sample of 20,000"
    )
    page = run_report(metrics)
    assert claim in page[: page.index("<h3>Inputs</h3>")]
    busy = LeaveOneOut(signal="product", kept_without=9, removed=1)
    funnel = metrics.funnel.model_copy(update={"leave_one_out": (busy,)})
    assert claim not in run_report(metrics.model_copy(update={"funnel": funnel}))


@pytest.mark.parametrize(("false", "unknown", "said"), [(7, 0, 7), (7, 5, 12), (0, 5, None)])
def test_a_signal_true_of_nothing_is_said_unless_it_knew_nothing(metrics, false, unknown, said):
    asked = false + unknown
    mute = SignalMetrics(name="mute", false=false, unknown=unknown, evaluated=asked, skipped=90)
    funnel = metrics.funnel.model_copy(update={"signals": (mute,)})
    claims = [one.claim for one in find_statements(metrics.model_copy(update={"funnel": funnel}))]
    told = [claim for claim in claims if claim.startswith("The `mute` signal is true of none")]
    rows = f"the {said} rows that it was asked about"
    assert told == ([f"The `mute` signal is true of none of {rows}."] if said else [])


def test_every_problem_names_what_to_do(metrics: RunMetrics) -> None:
    found = find_statements(metrics)
    assert {one.part for one in found} >= {"balance", "checks", "lengths", "leakage", "drift"}
    assert [one.claim for one in found if one.level != "note" and not one.todo] == []


def test_the_page_is_small_and_asks_nothing_of_anyone(metrics: RunMetrics) -> None:
    page = run_report(metrics, [metrics] * 20)
    assert len(page.encode()) < 200_000
    assert "<script" not in page
    assert "default-src &#x27;none&#x27;" in page
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)


def _tags(page: str) -> set[str]:
    reader = _Tags()
    reader.feed(page)
    return set(reader.found)


def test_no_text_of_the_data_makes_a_tag(metrics: RunMetrics, payloads: tuple[str, ...]) -> None:
    clean = _tags(run_report(metrics))
    for payload in payloads:
        bad = RunMetrics.model_validate(poison(metrics.model_dump(mode="json"), payload))
        assert _tags(run_report(bad)) <= clean


def test_nothing_executes_and_nothing_is_requested(
    metrics: RunMetrics, payloads: tuple[str, ...], browser, tmp_path: Path
) -> None:
    for number, payload in enumerate(payloads):
        bad = RunMetrics.model_validate(poison(metrics.model_dump(mode="json"), payload))
        path = tmp_path / f"{number}.html"
        path.write_text(run_report(bad, [bad]), encoding="utf-8")
        browser.requests(), browser.complaints()
        browser.open(path)
        assert browser.requests() == [path.as_uri()]
        assert browser.complaints() == []
        assert browser.driver.title != "owned"
        found = browser.driver.find_elements("css selector", "script, iframe, img, link, base")
        assert found == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_never_scrolls_sideways(
    metrics: RunMetrics, browser, tmp_path: Path, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(run_report(metrics, [metrics] * 3), encoding="utf-8")
    browser.emulate(width=width)
    browser.open(path)
    inner = browser.driver.execute_script("return document.documentElement.scrollWidth")
    assert inner <= width


def test_the_style_is_applied_under_its_policy(metrics: RunMetrics, browser, tmp_path) -> None:
    path = tmp_path / "report.html"
    path.write_text(run_report(metrics), encoding="utf-8")
    colours = []
    for dark in (False, True):
        browser.emulate(dark=dark)
        browser.open(path)
        script = "return getComputedStyle(document.body).backgroundColor"
        colours.append(browser.driver.execute_script(script))
    assert colours == ["rgb(251, 250, 248)", "rgb(21, 24, 28)"]


def test_a_run_with_very_much_of_everything_stays_under_a_megabyte(metrics: RunMetrics) -> None:
    long = "\u00e9" * 160
    examples = tuple(Example(row_id="0" * 32, value=long, reason=long) for _ in range(50))
    checks = tuple(
        Check(name=f"check {i}", column=long, passed=False, failed=1, rows=9, examples=examples)
        for i in range(2_000)
    )
    full = metrics.model_copy(
        update={
            "checks": checks,
            "inputs": metrics.inputs * 5_000,
            "samples": {name: rows[:1] * 12 for name, rows in metrics.samples.items()},
        }
    )
    assert len(run_report(full, [full] * 20).encode()) < 1_000_000


def _regex(asked: str, failed: int) -> Check:
    return Check(
        name="expect_column_values_to_not_match_regex", column="text", arguments=f"regex: {asked}",
        passed=not failed, severity="warning", failed=failed, rows=1_000,
    )  # fmt: skip


def test_two_checks_of_a_kind_have_each_its_own_history(metrics: RunMetrics) -> None:
    before = metrics.model_copy(update={"checks": (_regex("a", 10), _regex("b", 0))})
    now = metrics.model_copy(update={"checks": (_regex("a", 30), _regex("b", 5))})
    page = run_report(now, [before])
    assert "regex: a" in page
    assert [page.count(f"+{moved} points") for moved in ("2", "0.5")] == [1, 1]


def test_two_rules_of_a_name_are_told_apart(metrics: RunMetrics) -> None:
    rules = [
        Check(name="encoding", column="text", stage="row rules", passed=not failed, failed=failed,
              rows=100, message=f"({what}; such rows are quarantined)")
        for what, failed in (("U+FFFD", 0), ("control character", 7))
    ]  # fmt: skip
    page = run_report(metrics.model_copy(update={"checks": rules}), [metrics.model_copy(
        update={"checks": [one.model_copy(update={"failed": 0}) for one in rules]})])  # fmt: skip
    assert (page.count("+7 points"), page.count(">same<")) == (1, 1)


@pytest.mark.parametrize(
    ("kinds", "right", "claim", "todo"),
    [
        ({"exact": 3, "normalised": 9, "near": 4}, "train",
         "9 of 90 rows of validation are also in train (exact 3, normalised 9, near 4).",
         "drop them from one split"),
        ({"exact": 0, "normalised": 0, "near": 4}, "train",
         "4 of 90 rows of validation are also in train (near 4).", "set dedupe.near"),
        ({"exact": 2, "n-gram": 5}, "the set",
         "5 of 90 rows of validation are also in the set (exact 2, n-gram 5).", "remove these"),
    ],
)  # fmt: skip
def test_a_pair_that_leaks_is_said_once(metrics, kinds, right, claim, todo) -> None:
    leaks = tuple(
        Leak(kind=kind, left="validation", right=right, rows=rows, of=90)
        for kind, rows in kinds.items()
    )
    found = find_statements(metrics.model_copy(update={"leakage": leaks}))
    (said,) = [one for one in found if one.part == "leakage"]
    assert said.claim == claim
    assert todo in said.todo


def test_every_finding_stands_once_at_the_top_the_worst_first(metrics: RunMetrics) -> None:
    critical = metrics.checks[2].model_copy(update={"severity": "critical", "column": "label"})
    full = metrics.model_copy(update={"checks": (*metrics.checks, critical)})
    page = run_report(full)
    found = find_statements(full)
    top = page[page.index('id="summary"') : page.index('id="balance"')]
    said = re.findall(r'<li class="brief"><span class="pill (\w+)">', top)
    assert len(said) == len(found) == page.count('<li class="brief">')
    assert said == sorted(said, key=["fail", "warn", "note"].index)
    assert said[0] == "fail"
    plain = page.replace("<wbr>", "")
    for claim in (one.claim for one in found if "`" not in one.claim):
        assert plain.count(html.escape(claim)) == 1, claim


def test_a_finding_carries_the_suite_s_note_beside_its_action_and_a_command(metrics) -> None:
    check = Check(
        name="expect_column_values_to_be_in_set", column="label", passed=False, failed=3, rows=90,
        words="label is one of fit, small", note="Sizes are fixed.",
        examples=(Example(row_id="ab" * 16, value="big"),),
    )  # fmt: skip
    run = metrics.run.model_copy(update={"arguments": ("my shoes.yaml", "--set", "seed=3")})
    full = metrics.model_copy(update={"checks": (check,), "run": run})
    (said,) = [one for one in find_statements(full) if one.part == "checks"]
    assert said.claim == "Expected: label is one of fit, small; fails on 3 of 90 rows."
    assert (said.note, bool(said.todo)) == ("Sizes are fixed.", True)
    assert said.command == f"siftset explain 'my shoes.yaml' --row {'ab' * 16} --set seed=3"
    assert html.escape(said.command) in run_report(full)


def test_rules_that_set_rows_aside_are_one_line_with_their_limit(metrics: RunMetrics) -> None:
    rules = [
        Check(name=f"rule_{i}", column="messages", stage="row rules", passed=False, severity="info",
              failed=10 - i, rows=25_000, message=f"(rule_{i}; such rows are quarantined)")
        for i in range(9)
    ]  # fmt: skip
    limit = Check(
        name="quarantined_share", stage="threshold", passed=False, severity="critical",
        observed=0.05, threshold="at most 0.02",
    )  # fmt: skip
    full = metrics.model_copy(update={"checks": (*rules, limit)})
    (said,) = [one for one in find_statements(full) if one.part == "checks"]
    assert said.level == "fail"
    assert said.claim == (
        "1,250 of 25,000 rows are quarantined (5.0%), above the limit of 2%: rule 0 (10), "
        "rule 1 (9), rule 2 (8), rule 3 (7), 5 more rules."
    )


def test_commands_of_findings_can_be_typed(metrics: RunMetrics) -> None:
    run = metrics.run.model_copy(update={"arguments": ("nike",)})
    links = {"Quarantine": "quarantine/", "Rejected rows": "rejected/"}
    full = metrics.model_copy(update={"run": run, "links": links})
    found = {one.claim[:20]: one.command for one in find_statements(full)}
    assert found["The `product` signal"] == (
        "siftset explain nike --diff --set 'keep=nike & (positive | praise) & ~criticism'"
    )
    page = run_report(full)
    made = re.findall(r'<code class="command"[^>]*>(.*?)</code>', page)
    names = {command.name for command in app.registered_commands}
    for command in map(html.unescape, made):
        assert shlex.split(command)[:1] == ["siftset"]
        assert shlex.split(command)[1] in names
    export = f"siftset export nike --rows rejected --run {run.run_id} --out rejected.csv"
    assert export in made
    bare = run_report(metrics)
    assert 'class="command"' not in bare  # a recipe of Python has no name to type


def test_shares_and_figures_are_rounded_and_have_units(metrics: RunMetrics) -> None:
    limit = Check(
        name="leaked_share", stage="threshold", passed=False, severity="warning",
        observed=9.380928463801393e-2, threshold="at most 0.02",
    )  # fmt: skip
    drift = metrics.drift[2].model_copy(update={"before": 17_210.0, "after": 17_999.0})
    page = run_report(metrics.model_copy(update={"checks": (limit,), "drift": (drift,)}))
    assert "leaked share is 9.4%, above the limit of 2%." in page
    assert "17,210" in page
    assert not re.search(
        r"\d\.\d{5}|\de\+\d", re.sub(r"<(?:svg|style).*?</(?:svg|style)>", "", page)
    )


def test_words_that_gained_stand_first(metrics: RunMetrics) -> None:
    def used(**counts: int) -> Profile:
        top = tuple(TokenUse(token=token, count=count) for token, count in counts.items())
        words = Words(rows=9, tokens=1_000, distinct=900, top=top)
        return Profile(rows=9, of=9, texts=9, vocabulary=words)

    profiles = {"input": used(the=90, shoe=20, a=10), "kept": used(the=90, shoe=50, rare=10)}
    page = run_report(metrics.model_copy(update={"profiles": profiles}))
    table = page[page.index("Words that gained most") :]
    # A word that is not among the frequent ones of the input was as frequent as the last, at most.
    assert re.findall(r"<td class=\"name\">(\w+)</td>", table)[:2] == ["shoe", "rare"]
    assert "2.50 times" in table


def test_metrics_survive_json_and_keys_of_a_newer_version(metrics: RunMetrics) -> None:
    told = json.loads(metrics.model_dump_json())
    told["rows"]["invented_later"] = 1
    assert RunMetrics.model_validate(told) == metrics


def test_every_key_of_metrics_json_is_documented() -> None:
    path = Path(__file__).parents[4] / "docs" / "metrics.md"
    if not path.is_file():
        pytest.skip("the documents are not beside these tests")
    text = path.read_text(encoding="utf-8")
    definitions = RunMetrics.model_json_schema()["$defs"]
    for name in (one for one, found in definitions.items() if "properties" in found):
        definition = definitions[name]
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        missing = [key for key in definition["properties"] if f"`{key}`" not in section]
        assert missing == [], name


def _light(colour: str) -> float:
    """Return the relative luminance of #rgb or #rrggbb (WCAG 2.2)."""
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_text_has_the_contrast_that_readers_need(scheme: str) -> None:
    roots = re.findall(r":root \{(.*?)\n? *\}", read_asset(), re.DOTALL)
    colours: dict[str, str] = {}
    for root in {"light": roots[:1], "dark": roots[:2], "print": [roots[0], roots[2]]}[scheme]:
        colours |= dict(re.findall(r"--([\w-]+): (#\w+)", root))
    pairs = [(name, "card") for name in ("ink", "soft", "faint", "accent", "good", "warn", "bad")]
    pairs += [(name, f"{name}-soft") for name in ("accent", "good", "warn", "bad")]
    pairs += [("faint", "paper"), ("soft", "paper"), ("soft", "wash")]
    low = {}
    for text, ground in pairs:
        bright, dim = sorted((_light(colours[text]), _light(colours[ground])), reverse=True)
        low[text, ground] = (bright + 0.05) / (dim + 0.05)
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


def test_a_clause_that_decided_rows_is_never_called_idle(metrics: RunMetrics) -> None:
    idle = LeaveOneOut(signal="rare", kept_without=9, removed=0)
    for clauses, said in (({"~rare": 40, "nike": 3}, False), ({"rarest": 40}, True)):
        funnel = metrics.funnel.model_copy(update={"leave_one_out": (idle,), "clauses": clauses})
        claims = find_statements(metrics.model_copy(update={"funnel": funnel}))
        assert any("`rare` signal" in one.claim for one in claims) == said
        assert not any("drop it from the formula," in one.todo for one in claims)


def test_many_idle_signals_are_not_named_one_by_one(metrics: RunMetrics) -> None:
    """Each finding holds the whole formula: with 1,000 signals they took minutes and 20 MB."""
    idle = tuple(LeaveOneOut(signal=f"s{at}", kept_without=9, removed=0) for at in range(500))
    formula = " & ".join(one.signal for one in idle)
    funnel = metrics.funnel.model_copy(update={"leave_one_out": idle, "clauses": {}})
    run = metrics.run.model_copy(update={"formula": formula})
    found = find_statements(metrics.model_copy(update={"funnel": funnel, "run": run}))
    assert sum("leave-one-out" in one.claim for one in found) == 20
    assert any(one.claim.startswith("480 more signals are without effect") for one in found)
    assert sum(len(one.command) for one in found) < 22 * len(formula)


def test_sampled_figures_name_their_sample_and_how_far_they_may_be_off(metrics: RunMetrics) -> None:
    page = run_report(metrics)
    assert "a sample of 20,000 of 25,000 rows (80.0%; shares within 0.31 points, 95 %)" in page
    assert "Languages, told on a sample of 2,000 of 6,980 texts (28.7%" in page
    assert re.search(r"35.5% .*?\(8,865 of 25,000\)|44.3% .*?\(8,865 of 20,000; 4", page)


def test_kinds_of_duplicates_are_told_apart(metrics: RunMetrics) -> None:
    found = metrics.duplicates.model_copy(update={"exact": 48, "ids": 1_926, "near": 0})
    page = run_report(metrics.model_copy(update={"duplicates": found}))
    cells = re.findall(
        r"<td[^>]*>(equal texts|similar texts|ids met before)</td><td[^>]*>(.*?)</td>", page
    )
    shown = {name: re.sub("<[^>]+>", "", cell) for name, cell in cells}
    assert shown["equal texts"].startswith("0.58% (48 of 8,312")
    assert shown["ids met before"].startswith("23.2% (1,926 of 8,312")
    assert shown["similar texts"].startswith("0% (0 of 8,312")
    off = found.model_copy(update={"near": None})
    assert "not looked for: set dedupe.near" in run_report(
        metrics.model_copy(update={"duplicates": off})
    )


def test_what_changed_nothing_among_new_rows_is_not_to_be_dropped(metrics: RunMetrics) -> None:
    idle = LeaveOneOut(signal="product", kept_without=9, removed=0)
    funnel = metrics.funnel.model_copy(update={"leave_one_out": (idle,), "analysed": 25_000})
    run = metrics.run.model_copy(update={"incremental": True})
    found = find_statements(metrics.model_copy(update={"funnel": funnel, "run": run}))
    (said,) = [one for one in found if "`product` signal" in one.claim]
    assert "new rows" in said.claim
    assert said.todo.startswith("look at earlier runs")
