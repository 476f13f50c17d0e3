"""Row rules as polars expressions: which rows fail, and why."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import polars as pl

from siftset.schemas.conversations import find_column, schema_with_views
from siftset.schemas.errors import RecipeError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.integrity import Action, RowRules, RuleName
from siftset.signals.labels import labels_as_text

CONTROL: Final = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}]"
"""Control characters but tab and line ends (Unicode category Cc)."""

_TEXT_RULES: Final[tuple[RuleName, ...]] = (
    "not_blank",
    "min_chars",
    "max_chars",
    "encoding",
    "matches",
)
_NUMBER_RULES: Final[tuple[RuleName, ...]] = ("min", "max")


class RowRule(NamedTuple):
    """One way to fail: `failing` is true where the row does, and never null."""

    column: str
    rule: str
    action: Action
    reason: str
    failing: pl.Expr


class Rules(ABC):
    """Ways in which a row can fail, as reasons and as counts that agree with them."""

    @property
    @abstractmethod
    def rules(self) -> tuple[RowRule, ...]:
        """Return every way to fail, in order."""

    def reasons(self, *actions: Action) -> pl.Expr:
        """Return the reasons of each row as List(String), empty where the row is fine.

        Only rules with one of `actions` count; by default those that quarantine.
        """
        chosen = self._select_rules(actions)
        if not chosen:
            return pl.lit([], dtype=pl.List(pl.String))
        each = [pl.when(rule.failing).then(pl.lit(rule.reason)) for rule in chosen]
        return pl.concat_list(each).list.drop_nulls()

    def failing(self, *actions: Action) -> pl.Expr:
        """Return whether a row fails any rule with one of `actions`; cheaper than the reasons."""
        chosen = self._select_rules(actions)
        return pl.any_horizontal([rule.failing for rule in chosen]) if chosen else pl.lit(False)

    def counts(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Count the failing rows of every rule: column, rule, action, reason, rows."""
        rules = self.rules
        summed = [rule.failing.sum().cast(pl.Int64).alias(str(i)) for i, rule in enumerate(rules)]
        rows = frame.select(summed).row(0) if rules else ()
        return pl.DataFrame(
            [(*rule[:4], count) for rule, count in zip(rules, rows, strict=True)],
            schema={**dict.fromkeys(RowRule._fields[:4], pl.String), "rows": pl.Int64},
            orient="row",
        )

    def _select_rules(self, actions: tuple[Action, ...]) -> list[RowRule]:
        return [rule for rule in self._all_rules() if rule.action in (actions or ("quarantine",))]

    def _all_rules(self) -> tuple[RowRule, ...]:
        return self.rules


class PlainRules(Rules):
    """Rules as they are given."""

    def __init__(self, rules: tuple[RowRule, ...] = ()) -> None:
        self._column_rules = rules

    @property
    def rules(self) -> tuple[RowRule, ...]:
        """Return the rules in the order given."""
        return self._column_rules


class RowRuleSet(Rules):
    """The row rules of a recipe, bound to the columns they run on.

    A null fails `not_null` alone; every other rule is silent about it. `first` are rules for
    conversations. `also` are rules of a suite: rows fail them in the same way, but the suite itself
    counts them.
    """

    def __init__(
        self,
        rules: Mapping[str, RowRules],
        schema: pl.Schema,
        *,
        first: tuple[RowRule, ...] = (),
        also: tuple[RowRule, ...] = (),
    ) -> None:
        self._config = dict(rules)
        others = [one.differs_from for one in rules.values() if one.differs_from is not None]
        self._stored = schema
        self._schema = schema_with_views(schema, [*rules, *others])
        self._first = first
        self._also = also

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that the rules read, in the recipe's order."""
        others = (rule.column for rule in (*self._first, *self._also))
        return tuple(dict.fromkeys([*self._config, *others]))

    @property
    def rules(self) -> tuple[RowRule, ...]:
        """Return every way to fail, in the recipe's order."""
        columns = (
            rule
            for column, config in self._config.items()
            for rule in _column_rules(column, config, self._stored, self._schema[column])
        )
        return (*self._first, *columns)

    def _all_rules(self) -> tuple[RowRule, ...]:
        return (*self.rules, *self._also)

    def check(self) -> None:
        """Raise RecipeError for a missing column, a rule of another type, or a bad pattern."""
        for column, config in self._config.items():
            if column not in self._schema:
                close = difflib.get_close_matches(column, list(self._schema), n=1)
                known = f"columns are {', '.join(self._schema)}"
                hint = f"did you mean '{close[0]}'?" if close else known
                raise RecipeError(f"integrity.rows.{column}: the data has no such column ({hint})")
            dtype = self._schema[column]
            is_text = dtype in (pl.String, pl.Categorical, pl.Enum)
            wanted = [(rule, "text", is_text) for rule in _TEXT_RULES]
            wanted += [(rule, "numbers", dtype.is_numeric()) for rule in _NUMBER_RULES]
            for rule, kind, fits in wanted:
                value = getattr(config, rule)
                if value is not None and value is not False and not fits:
                    raise RecipeError(
                        f"integrity.rows.{column}.{rule}: needs {kind}, but '{column}' holds "
                        f"{dtype}: remove the rule or map another column"
                    )
            _check_values(column, config)
            if config.differs_from is not None and config.differs_from not in self._schema:
                raise RecipeError(
                    f"integrity.rows.{column}.differs_from: the data has no column "
                    f"'{config.differs_from}': columns are {', '.join(self._schema)}"
                )
        own = [rule.failing.alias(str(at)) for at, rule in enumerate(self.rules)]
        pl.DataFrame(schema=self._schema).select(own)


def _column_rules(
    column: str, config: RowRules, schema: pl.Schema, dtype: pl.DataType
) -> Iterator[RowRule]:
    """Yield the rules of a column, a view of conversations or a path that are switched on."""
    value = find_column(column, schema)
    assert value is not None, "check looks for it"
    if config.not_null:
        yield RowRule(column, "not_null", config.action_of("not_null"), f"{column}: null",
                      value.is_null())  # fmt: skip
    for rule, problem, failing in _value_rules(config, value, dtype):
        yield RowRule(
            column, rule, config.action_of(rule), f"{column}: {problem}", failing.fill_null(False)
        )
    if config.differs_from is not None:
        other = find_column(config.differs_from, schema)
        assert other is not None, "check looks for it"
        same = (value == other).fill_null(False)
        yield RowRule(
            column,
            "differs_from",
            config.action_of("differs_from"),
            f"{column}: same as {config.differs_from}",
            same,
        )


def _value_rules(
    config: RowRules, value: pl.Expr, dtype: pl.DataType
) -> Iterator[tuple[RuleName, str, pl.Expr]]:
    text = value if dtype == pl.String else value.cast(pl.String)
    if config.not_blank:
        yield "not_blank", "blank", text.str.strip_chars() == ""
    if config.min_chars:
        yield (
            "min_chars",
            f"shorter than {format_count(config.min_chars, 'character')}",
            text.str.len_chars() < config.min_chars,
        )
    if config.max_chars is not None:
        yield (
            "max_chars",
            f"longer than {format_count(config.max_chars, 'character')}",
            text.str.len_chars() > config.max_chars,
        )
    if config.encoding:
        yield "encoding", "U+FFFD", text.str.contains("\ufffd", literal=True)
        yield "encoding", "control character", text.str.contains(CONTROL)
    nan = value.is_nan() if dtype.is_float() else pl.lit(False)
    if config.matches is not None:
        yield "matches", f"no match of {config.matches}", ~text.str.contains(config.matches)
    if config.one_of is not None:
        allowed = pl.Series(config.one_of, dtype=pl.String).implode()
        yield (
            "one_of",
            f"not one of {', '.join(config.one_of)}",
            ~labels_as_text(value).is_in(allowed),
        )
    if config.min is not None:
        yield "min", f"below {config.min:g}", nan | (value < config.min)
    if config.max is not None:
        yield "max", f"above {config.max:g}", nan | (value > config.max)


def _check_values(column: str, config: RowRules) -> None:
    place = f"integrity.rows.{column}"
    for low, high in (("min_chars", "max_chars"), ("min", "max")):
        least, most = getattr(config, low), getattr(config, high)
        if least is not None and most is not None and least > most:
            raise RecipeError(f"{place}: {low} {least:g} is above {high} {most:g}: swap them")
    if config.matches is not None:
        try:
            pl.Series([""]).str.contains(config.matches)
        except pl.exceptions.PolarsError as error:
            problem = " ".join(str(error).split())
            raise RecipeError(f"{place}.matches: not a regular expression: {problem}") from error
