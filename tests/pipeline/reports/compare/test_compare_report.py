from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

from siftset.pipeline.reports.compare import compare_report
from siftset.schemas.results import comparison as c
from siftset.schemas.tasks import TaskName

_ALIASES = (TaskName, c.BeforeKind, c.Verdict, c.Move)
ENUMS = {value for alias in _ALIASES for value in get_args(alias)}
ENUMS |= {"trained", "untrained", "unknown", "pass", "fail", "model", "baseline"}
ENUMS |= {"note", "warning", "critical", "row", "group of rows"}


def poison(value, payload: str):
    if isinstance(value, dict):
        return {k: poison(v, payload) for k, v in value.items()}
    if isinstance(value, list):
        return [poison(one, payload) for one in value]
    if isinstance(value, str) and value not in ENUMS:
        return payload + value
    return value


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)


def _tags(page: str) -> set[str]:
    reader = _Tags()
    reader.feed(page)
    return reader.found


TASKS = get_args(TaskName)


@pytest.mark.parametrize("task", TASKS)
def test_no_text_makes_a_tag(task: str, payloads: tuple[str, ...], build) -> None:
    clean = build(task)
    for payload in payloads:
        bad = c.Comparison.model_validate(poison(clean.model_dump(mode="json"), payload))
        assert _tags(compare_report(bad)) <= _tags(compare_report(clean))


@pytest.mark.parametrize("task", TASKS)
def test_nothing_executes_nor_is_requested(
    task: str, payloads, browser, tmp_path: Path, build
) -> None:
    for number, payload in enumerate(payloads):
        bad = c.Comparison.model_validate(poison(build(task).model_dump(mode="json"), payload))
        path = tmp_path / f"{number}.html"
        path.write_text(compare_report(bad), encoding="utf-8")
        browser.requests()
        browser.complaints()
        browser.open(path)
        assert browser.requests() == [path.as_uri()]
        assert browser.complaints() == []
        assert browser.driver.title != "owned"


@pytest.mark.parametrize("task", TASKS)
def test_the_page_never_scrolls_sideways(task: str, browser, tmp_path: Path, build) -> None:
    path = tmp_path / "compare.html"
    path.write_text(compare_report(build(task)), encoding="utf-8")
    browser.emulate(width=360)
    browser.open(path)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 360


def test_metrics_of_models_are_columns_side_by_side(build) -> None:
    found = build("classification")
    folder = found.after.model_copy(update={"name": "/home/me/models/gpt2"})
    page = compare_report(found.model_copy(update={"before": folder}))
    assert "<span>gpt2 → models/nike-4</span>" in page
    order = [page.index(f">{name}</th>") for name in ("bag of words", "linear probe", "fine-tuned")]
    assert order == sorted(order)
    assert page.index(">macro F1</td>") > order[-1]


def test_what_was_wrong_with_the_training_stands_by_its_curves(build, change) -> None:
    page = compare_report(build("mlm"))
    assert page.index('id="training"') < page.index("flat: raise") < page.index("Loss by step")
    assert "general text rose by 14.0%, allowed 10%" in page
    better = c.Forgetting(general=change("perplexity", 9, 8), increase=-0.11, verdict="pass")
    found = build("mlm").model_copy(update={"forgetting": better})
    assert "general text fell by 11.0%." in compare_report(found)


def test_an_untrained_head_is_said_at_the_top(build) -> None:
    loud = "was never trained"
    assert loud not in compare_report(build("mlm"))
    head = c.ModelInfo(name="encoder", head="untrained")
    page = compare_report(build("mlm").model_copy(update={"before": head}))
    assert loud in page[: page.index("<h2>")]
    assert 'role="alert"' in page


def test_tokens_show_probability_and_move(build) -> None:
    page = compare_report(build("mlm"))
    for said in ("34.0%", "↑ was 3rd", ">new here<", "↓ was 1st", "Gone from the top: expensive"):
        assert said in page
    assert "&lt; 0.1%" in page


def test_differences_of_one_scale_share_an_axis(build, change) -> None:
    loss = change("loss", 3.1, 0.7, higher_is_better=False)
    changes = (loss, change("accuracy", 0.4, 0.8), change("macro_f1", 0.4, 0.5))
    page = compare_report(build("classification").model_copy(update={"changes": changes}))
    table = page[page.index('<table class="changes">') :].partition("</table>")[0]
    groups = table.split("<tbody>")[1:]
    assert [re.search("<th[^>]*>([^<]+)</th>", one)[1] for one in groups] == [
        "Scores and shares",
        "Loss, nats",
    ]
    axes = [re.search('class="axis">(.*?)</span></th>', one)[1] for one in groups]
    assert next(re.findall(r">([^<]+)<", one + "<") for one in axes)[1:] == ["0", "+0.533"]
    ends = [float(x) for x in re.findall(r'<line x1="[\d.]+" x2="([\d.]+)" class="s3"', groups[0])]
    # macro F1 gained a fourth of what accuracy gained, on one axis
    assert ends[1] - 50 > 3 * (ends[0] - 50) or ends[0] - 50 > 3 * (ends[1] - 50)
    assert table.count("↓") == 1
    assert groups[1].count('aria-label="lower is better"') == 1


@pytest.mark.parametrize(
    ("task", "named", "title"),
    [
        ("mlm", ["loss", "accuracy_at_1", "perplexity"], "Perplexity 22.20 → 2.010"),
        ("causal", ["loss", "perplexity", "rouge_l"], "Perplexity 22.20 → 2.010"),
        ("classification", ["accuracy", "loss", "macro_f1"], "Macro F1 22.20 → 2.010"),
    ],
)
def test_the_headline_is_the_metric_of_the_task(task, named, title, build, change) -> None:
    changes = tuple(change(name, 22.2, 2.01) for name in named)
    page = compare_report(build(task).model_copy(update={"changes": changes}))
    assert f"<h1>{title}</h1>" in page


def test_baselines_stand_beside_the_models_on_one_scale(build) -> None:
    found = build("classification")
    after = found.after.model_copy(update={"name": "fine-tuned"})
    named = {"changes": (found.changes[2].model_copy(update={"name": "accuracy"}),), "after": after}
    page = compare_report(found.model_copy(update=named))
    top = page[page.index('id="summary"') : page.index('id="scores"')]
    assert "accuracy against the baselines" in top
    order = [top.index(name) for name in ("bag of words", "linear probe", "fine-tuned")]
    assert order == sorted(order)
    assert (
        "The model after is ahead of the best baseline, linear probe: 0.890 against 0.820." in top
    )


def test_figures_are_aligned_and_those_that_a_task_is_not_judged_by_are_folded(
    build, change
) -> None:
    others = [f"metric_{n}_accuracy" for n in range(7)]
    changes = tuple(change(name, 0.8667, 0.9) for name in ("macro_f1", "accuracy", *others))
    page = compare_report(build("classification").model_copy(update={"changes": changes}))
    top = page[page.index('id="summary"') : page.index('id="scores"')]
    open_, _, folded = top.partition("<summary>7 other metrics</summary>")
    cells = [re.findall(r'<td class="num">(\d[^<]*)<', part) for part in (open_, folded)]
    assert [part.count("0.867") for part in cells] == [2, 7]
    assert [part.count("0.900") for part in cells] == [2, 7]
    assert not re.search(r">[+-]?0\.\d{4}", re.sub("<svg.*?</svg>", "", top))


def test_a_classifier_has_no_perplexity_and_its_answers_lie_beside_the_page(build) -> None:
    page = compare_report(build("classification"), predictions="predictions.parquet")
    assert "Perplexity by step" not in page
    assert "Loss by step" in page
    assert 'href="./predictions.parquet"' in page
    assert "Perplexity by step" in compare_report(build("mlm"))
    assert "classifier · nike-positive · version 4</p>" in page


def test_steps_have_no_half(build) -> None:
    curve = c.TrainingCurve(name="loss", steps=(1, 2, 3, 4), values=(3, 2, 2, 1.5))
    page = compare_report(build("mlm").model_copy(update={"curves": (curve,)}))
    assert '<div class="x"><span>1</span><span>4</span></div>' in page
    assert "<span>2.5</span>" not in page


def test_a_masked_model_is_measured_on_parts_of_the_rows(build) -> None:
    assert compare_report(build("mlm")).count("source = reviews") == 1


def _cells(page: str, anchor: str) -> list[list[str]]:
    body = page[page.index(f'id="{anchor}"') :].partition("</section>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body)
    return [re.findall(r">([^<>]*)</(?:td|th|span)>", row) for row in rows]


def test_folds_and_searched_settings_are_tables(build) -> None:
    page = compare_report(build("classification"))
    assert _cells(page, "folds") == [
        ["", "Mean", "Standard deviation", "Fold 1", "Fold 2", "Fold 3"],
        ["macro F1", "0.700", "0.020", "0.680", "0.700", "0.720"],
        ["loss", "–", "–", "0.900", "–", "0.800"],  # noqa: RUF001
    ]
    assert _cells(page, "search") == [
        ["learning rate", "batch size", "macro F1", ""],
        ["1e-05", "16", "0.610", ""],
        ["0.0001", "16", "0.720", "chosen"],
    ]


def test_a_comparison_with_nothing_to_show_is_a_page_too() -> None:
    bare = c.Comparison(
        task="mlm",
        before=c.ModelInfo(name="a"),
        after=c.ModelInfo(name="b"),
        before_kind="none",
        questions=c.Questions(hash="x", seed=0),
        metrics={"before": {}, "after": {"loss": None}},
        changes=(c.Change(name="loss", before=None, after=None, difference=None, n=0),),
    )
    assert "What changed" in compare_report(bare)
    assert "Cross-validation" not in compare_report(bare)
    assert "nan" not in compare_report(bare).lower().replace("provenance", "")


def test_the_page_says_what_its_intervals_draw(build) -> None:
    assert "which draw rows one by one" in compare_report(build("mlm"))
    comparison = build("mlm")
    asked = comparison.questions.model_copy(update={"unit": "group of rows", "units": 512})
    page = compare_report(comparison.model_copy(update={"questions": asked}))
    assert "512 groups of rows" in page


def test_what_an_earlier_version_compared_is_read(build) -> None:
    found = build("mlm")
    earlier = found.model_dump(mode="json") | {"arms": {"verdict": "yes"}}
    assert c.Comparison.model_validate(earlier) == found
