"""What metrics.json holds of a population of rows: its columns, lengths, words and labels."""

from __future__ import annotations

from pydantic import Field

from siftset.schemas.results.metrics_part import Metrics


class Column(Metrics):
    """What is missing in one column."""

    name: str
    type: str = ""
    null: int = 0
    empty: int = Field(0, description='Texts equal to "".')
    blank: int = Field(0, description="Texts of white space only.")


class Histogram(Metrics):
    """Counts in bins of fixed edges: bin i holds edges[i] <= value < edges[i + 1]."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    rows: int = 0
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    quantiles: dict[str, float] = Field(
        default_factory=dict,
        description="p1, p50, p99: the least length that such a share of the texts does not "
        "exceed; exact below 16,384, within 1.1 % from there on.",
    )


class TokenUse(Metrics):
    """How often a token occurs."""

    token: str
    count: int


class Words(Metrics):
    """The vocabulary of the texts, lower-cased."""

    rows: int = Field(0, description="Rows whose tokens were counted.")
    tokens: int = 0
    distinct: int = Field(0, description="Distinct tokens; an estimate unless `exact`.")
    exact: bool = True
    top: tuple[TokenUse, ...] = ()
    gini: float | None = Field(
        None, description="Gini index of the counts; it grows with their number."
    )
    gini_even: float | None = Field(
        None,
        description="The same of what came in and what was kept at equally many texts and words.",
    )


class Profile(Metrics):
    """A population of rows: what came in, or what was kept."""

    rows: int = Field(description="Rows profiled: the denominator of every count in here.")
    of: int = Field(0, description="Rows of the population; more than `rows` when sampled.")
    text_column: str = "text"
    texts: int = Field(0, description="Rows with a text that is not null.")
    columns: tuple[Column, ...] = ()
    chars: Histogram = Histogram()
    words: Histogram = Histogram()
    tokens: Histogram | None = None
    over_max: int | None = Field(None, description="Texts longer than `max_length` tokens.")
    encoding: dict[str, int] = Field(default_factory=dict, description="Texts by peculiarity.")
    scripts: dict[str, int] = Field(default_factory=dict, description="Texts by script.")
    languages: dict[str, int] = Field(default_factory=dict)
    language_rows: int = 0
    labels: dict[str, dict[str, int]] = Field(default_factory=dict, description="By source.")
    label_totals: dict[str, int] = Field(
        default_factory=dict, description="Rows by label, whatever their source; at most 1,000."
    )
    vocabulary: Words = Words()
