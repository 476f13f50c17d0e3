"""Results of Great Expectations as the checks of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from siftset.pipeline.gate.check_words import describe_expectation
from siftset.pipeline.gate.gx.examples import flatten_text
from siftset.pipeline.gate.suites import join_notes
from siftset.pipeline.profile.shares import format_figure
from siftset.schemas.errors import SuiteError
from siftset.schemas.results.metrics import Check, Severity
from siftset.schemas.results.metrics_part import Example

SHOWN: Final = 5
_SUBJECT: Final = {"batch_id", "column", "column_A", "column_B", "column_list"}
_SEVERITIES: Final[dict[object, Severity]] = {
    "critical": "critical",
    "warning": "warning",
    "info": "info",
}
_COUNTS_NULLS: Final = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")


def check_of(result: Any, stage: Literal["input", "output"]) -> Check:  # noqa: ANN401  GX's result
    """Return one result as a check.

    Raises SuiteError where the expectation could not be evaluated: it never counts as passed.
    """
    config = result.expectation_config
    kwargs = config.kwargs
    column = _name_columns(kwargs)
    info = result.exception_info or {}
    each = [info] if "raised_exception" in info else info.values()
    raised = (one for one in each if isinstance(one, Mapping) and one.get("raised_exception"))
    problem = next((" ".join(str(one.get("exception_message")).split()) for one in raised), "")
    if problem:
        where = f"{config.type} on {column}" if column else config.type
        raise SuiteError(f"{where}: cannot be evaluated: {problem}")
    found: Mapping[str, Any] = result.result or {}
    total = found.get("element_count")
    rows = total if isinstance(total, int) else None
    if rows is not None and config.type not in _COUNTS_NULLS:
        rows -= int(found.get("missing_count") or 0)
    failed, observed = found.get("unexpected_count"), found.get("observed_value")
    check = Check(
        name=config.type,
        column=column,
        stage=stage,
        passed=bool(result.success),
        severity=_SEVERITIES.get(getattr(config.severity, "value", config.severity), "critical"),
        failed=failed,
        rows=rows,
        observed=float(observed) if isinstance(observed, int | float) else None,
        arguments=_describe_arguments(kwargs, rows, config.type),
        threshold=_describe_threshold(kwargs, rows, config.type),
        words=flatten_text(describe_expectation(config.type, kwargs)),
        note=join_notes(config.notes),
        examples=_take_examples(found, column),
    )
    message = "" if check.passed else _describe_failure(check, observed)
    return check.model_copy(update={"message": message})


def _name_columns(kwargs: Mapping[str, Any]) -> str | None:
    if "column" in kwargs:
        return str(kwargs["column"])
    if "column_A" in kwargs:
        return f"{kwargs['column_A']}, {kwargs['column_B']}"
    listed = kwargs.get("column_list")
    return ", ".join(str(name) for name in listed) if isinstance(listed, list) else None


def _describe_arguments(kwargs: Mapping[str, Any], rows: int | None, kind: str) -> str:
    """Return what tells an expectation from another one of its kind on the same column."""
    told = {"mostly"} if _has_share(rows, kind) else {"min_value", "max_value"}
    parts = []
    for key, value in kwargs.items():
        if key in _SUBJECT | told or value in (None, False):
            continue
        if isinstance(value, list):
            written = ", ".join(map(str, value))
        elif isinstance(value, str):
            written = value
        else:
            written = json.dumps(value, ensure_ascii=False, default=str)
        parts.append(f"{key}: {written}")
    return str(flatten_text("; ".join(parts)))


def _has_share(rows: int | None, kind: str) -> bool:
    """Say whether an expectation allows a share of the rows, by `mostly`."""
    return rows is not None and "unexpected" not in kind


def _describe_threshold(kwargs: Mapping[str, Any], rows: int | None, kind: str) -> str:
    if _has_share(rows, kind):
        mostly = kwargs.get("mostly")
        share = 1.0 if not isinstance(mostly, int | float) else float(mostly)
        of = "rows" if kind in _COUNTS_NULLS else "rows with a value"
        return f"at least {100 * share:.6g}% of {of}"
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    parts = [
        f"at least {low}" if low is not None else "",
        f"at most {high}" if high is not None else "",
    ]
    return " and ".join(part for part in parts if part)


def _describe_failure(check: Check, observed: object) -> str:
    where = f"{check.name} on {check.column}" if check.column else check.name
    if check.failed is not None and check.rows:
        share = check.failed / check.rows
        rows = "rows that came in" if check.stage == "input" else "rows"
        return f"{where}: {check.failed:,} of {check.rows:,} {rows} ({share:.2%}) are unexpected"
    if observed is not None:
        limit = f", allowed {check.threshold}" if check.threshold else ""
        shown = flatten_text(str(observed))
        if isinstance(observed, int | float) and not isinstance(observed, bool):
            shown = format_figure(observed)
        return f"{where}: observed {shown}{limit}"
    return f"{where}: not met"


def _take_examples(found: Mapping[str, Any], column: str | None) -> tuple[Example, ...]:
    rows = found.get("partial_unexpected_index_list")
    if isinstance(rows, list) and rows and isinstance(rows[0], Mapping):
        return tuple(
            Example(
                row_id=str(row.get("row_id", "")),
                value=_show_value(
                    row[column]
                    if column is not None and column in row
                    else {k: v for k, v in row.items() if k != "row_id"}
                ),
            )
            for row in rows[:SHOWN]
        )
    values = found.get("partial_unexpected_list")
    listed = values if isinstance(values, list) else []
    return tuple(Example(value=_show_value(value)) for value in listed[:SHOWN])


def _show_value(value: object) -> str | None:
    return None if value is None else str(flatten_text(str(value)))
