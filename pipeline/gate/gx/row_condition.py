"""Row conditions of Great Expectations as polars expressions."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Final

import polars as pl

from siftset.pipeline.gate.gx.patterns import matches_regex
from siftset.pipeline.gate.gx.values import parse_moment
from siftset.schemas.errors import SuiteError

_COMPARE: Final[dict[str, Callable[[pl.Expr, object], pl.Expr]]] = {
    "==": lambda column, value: column.eq(value),
    "!=": lambda column, value: column.ne_missing(
        value if isinstance(value, pl.Expr) else pl.lit(value)
    ),
    "<": lambda column, value: column.lt(value),
    "<=": lambda column, value: column.le(value),
    ">": lambda column, value: column.gt(value),
    ">=": lambda column, value: column.ge(value),
}
_COLUMN: Final = re.compile(r"""\bcol\(\s*(["'])(.+?)\1\s*\)""")
_OPERATORS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_TURNED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_QUOTED: Final = re.compile("`([^`]*)`")
_CASES: Final[dict[str, Callable[[pl.Expr], pl.Expr]]] = {
    "lower": lambda text: text.str.to_lowercase(),
    "upper": lambda text: text.str.to_uppercase(),
    "strip": lambda text: text.str.strip_chars(),
}


def value_of(column: str, schema: pl.Schema) -> pl.Expr:
    """Return a column in which NaN is a missing value, as it is in pandas."""
    if column not in schema:
        raise SuiteError(missing_column("row_condition", column, list(schema)))
    return pl.col(column).fill_nan(None) if schema[column].is_float() else pl.col(column)


def missing_column(where: str, column: str, known: Sequence[str]) -> str:
    """Return the message for a column that is not there, with a suggestion."""
    close = difflib.get_close_matches(column, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"columns are {', '.join(known)}"
    return f"{where}: the data has no column '{column}' ({hint})"


def condition_columns(condition: object) -> tuple[str, ...]:
    """Return the columns that a condition names, as a suite writes it; what cannot be read, none.

    Great Expectations' own text names them as col("name"), a pandas query as they are.
    """
    if isinstance(condition, Mapping):
        column = condition.get("column")
        named = (str(column["name"]),) if isinstance(column, Mapping) and "name" in column else ()
        parts = condition.get("conditions")
        inner = [*parts] if isinstance(parts, list) else [condition.get("pass_through_filter")]
        return (*named, *(name for each in inner for name in condition_columns(each)))
    if not isinstance(condition, str):
        return ()
    own = tuple(match[2] for match in _COLUMN.finditer(condition))
    try:
        tree, quoted = _parse_query(condition)
    except (SyntaxError, ValueError):
        return own
    names = [one.id for one in ast.walk(tree) if isinstance(one, ast.Name)]
    return own or tuple(quoted.get(name, name) for name in names)


def row_filter(condition: object, schema: pl.Schema) -> pl.Expr:
    """Return which rows a condition lets through; never null.

    Takes a condition of Great Expectations, its JSON form, or a pandas query of comparisons.
    As in pandas a missing value fulfils `!=` and NOT_IN, and no other comparison.
    """
    data = condition if isinstance(condition, str) else _read_condition(condition)
    expression = (
        _translate_query(data, schema) if isinstance(data, str) else _translate_dict(data, schema)
    )
    return expression.fill_null(False)


def _read_condition(condition: object) -> Mapping[str, object]:
    if isinstance(condition, Mapping):
        return condition
    to_dict = getattr(condition, "dict", None)
    if callable(to_dict):
        found = to_dict()
        if isinstance(found, Mapping):
            return found
    raise SuiteError(f"row_condition {condition!r} has no known form")


def _translate_dict(data: Mapping[str, object], schema: pl.Schema) -> pl.Expr:
    kind = data.get("type")
    if kind == "pass_through":
        return _translate_query(str(data["pass_through_filter"]), schema)
    if kind in ("and", "or"):
        conditions = data["conditions"]
        assert isinstance(conditions, Sequence)
        parts = [row_filter(part, schema) for part in conditions]
        return reduce(lambda left, right: left & right if kind == "and" else left | right, parts)
    column = data.get("column")
    if isinstance(column, Mapping) and kind in ("nullity", "comparison"):
        value = value_of(str(column["name"]), schema)
        if kind == "nullity":
            return value.is_null() if data["is_null"] else value.is_not_null()
        operator = getattr(data["operator"], "value", data["operator"])
        return _compare_value(value, str(operator), data["parameter"])
    raise SuiteError(f"row_condition {dict(data)!r} has no known form")


def _compare_value(column: pl.Expr, operator: str, value: object) -> pl.Expr:
    if operator in ("IN", "NOT_IN"):
        assert isinstance(value, Sequence)
        among = column.is_in(list(value)).fill_null(False)
        return among if operator == "IN" else ~among
    return _COMPARE[operator](column, value)


def _parse_query(text: str) -> tuple[ast.expr, dict[str, str]]:
    """Return the tree of a pandas query, and the columns that stand in it between backticks."""
    quoted: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        return quoted.setdefault(match[1], f"_quoted_{len(quoted)}")

    tree = ast.parse(_QUOTED.sub(stand_in, text).strip(), mode="eval")
    return tree.body, {name: column for column, name in quoted.items()}


def _translate_query(text: str, schema: pl.Schema) -> pl.Expr:
    """Translate a pandas query of comparisons, calls on columns, and, or, not.

    Read as a syntax tree and never evaluated.
    """
    try:
        tree, quoted = _parse_query(text)
        return _Query(schema, quoted).translate(tree)
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        told = str(error) if isinstance(error, _UntranslatedError) else "it is not such a query"
        raise SuiteError(
            f"row_condition '{text}' cannot be translated: {told}; use comparisons of columns with "
            "constants, in, isnull(), between(), isin(), str.len(), str.contains(), and, or, not"
        ) from error


class _UntranslatedError(ValueError):
    """A part of a query has no translation."""


class _Query:
    """The translation of one query, whose truths are never null: a missing value fulfils none."""

    def __init__(self, schema: pl.Schema, quoted: Mapping[str, str]) -> None:
        self.schema, self.quoted = schema, quoted

    def translate(self, node: ast.expr) -> pl.Expr:
        """Return the truth of a part of the query."""
        if isinstance(node, ast.BoolOp):
            both = isinstance(node.op, ast.And)
            return self._join_all([self.translate(value) for value in node.values], both=both)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
            parts = [self.translate(node.left), self.translate(node.right)]
            return self._join_all(parts, both=isinstance(node.op, ast.BitAnd))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
            return ~self.translate(node.operand)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            return self._join_all([self._compare(*pair) for pair in pairs], both=True)
        if isinstance(node, ast.Call | ast.Name):
            value, dtype = self._value_of(node)
            if dtype == pl.Boolean:
                return value.fill_null(False)
        raise _UntranslatedError(f"'{ast.unparse(node)}' is not a condition")

    def _join_all(self, parts: Sequence[pl.Expr], *, both: bool) -> pl.Expr:
        return reduce(lambda left, right: left & right if both else left | right, parts)

    def _compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> pl.Expr:
        if isinstance(left, ast.Constant | ast.UnaryOp):  # 1 < n is n > 1
            turned = _TURNED.get(type(operator))
            if turned is None:
                raise _UntranslatedError(f"'{ast.unparse(left)}' is compared, but is not a column")
            left, operator, right = right, turned(), left
        value, dtype = self._value_of(left)
        if isinstance(operator, ast.In | ast.NotIn):
            name = "IN" if isinstance(operator, ast.In) else "NOT_IN"
            return _compare_value(value, name, self._read_list(right, dtype)).fill_null(False)
        symbol = _OPERATORS.get(type(operator))
        if symbol is None:
            raise _UntranslatedError(f"'{ast.unparse(left)}' is compared by 'is'")
        try:
            constant = ast.literal_eval(right)
        except ValueError:
            return _COMPARE[symbol](value, self._value_of(right)[0]).fill_null(False)
        return _compare_value(value, symbol, _fit_constant(constant, dtype)).fill_null(False)

    def _read_list(self, node: ast.expr, dtype: pl.DataType) -> list[object]:
        return [_fit_constant(value, dtype) for value in ast.literal_eval(node)]

    def _value_of(self, node: ast.expr) -> tuple[pl.Expr, pl.DataType]:
        """Return the values of a column, or of a call on one, and their type."""
        if isinstance(node, ast.Name):
            name = self.quoted.get(node.id, node.id)
            return value_of(name, self.schema), self.schema[name]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, method = node.func.value, node.func.attr
            if isinstance(owner, ast.Attribute) and owner.attr == "str":
                value, dtype = self._value_of(owner.value)
                if dtype == pl.String:
                    return self._call_on_text(node, method, value)
            else:
                return self._call(node, method, owner)
        raise _UntranslatedError(f"'{ast.unparse(node)}' has no translation")

    def _call(self, node: ast.Call, method: str, owner: ast.expr) -> tuple[pl.Expr, pl.DataType]:
        value, dtype = self._value_of(owner)
        given = len(node.args)
        if method in ("isnull", "isna", "notnull", "notna") and not given and not node.keywords:
            found = value.is_null() if method.startswith("is") else value.is_not_null()
        elif method == "isin" and given == 1 and not node.keywords:
            found = _compare_value(value, "IN", self._read_list(node.args[0], dtype))
        elif method == "between" and given == 2 and not node.keywords:
            low, high = (_fit_constant(ast.literal_eval(one), dtype) for one in node.args)
            found = value.is_between(pl.lit(low), pl.lit(high))
        else:
            raise _UntranslatedError(f"'{ast.unparse(node)}' has no translation")
        return found, pl.Boolean()

    def _call_on_text(
        self, node: ast.Call, method: str, value: pl.Expr
    ) -> tuple[pl.Expr, pl.DataType]:
        options = {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
        arguments = [ast.literal_eval(one) for one in node.args]
        options.pop("na", None)  # a missing text fulfils nothing
        if method == "len" and not arguments and not options:
            return value.str.len_chars(), pl.UInt32()
        if method in _CASES and not arguments and not options:
            return _CASES[method](value), pl.String()
        if method in ("contains", "match", "fullmatch", "startswith", "endswith"):
            wanted = str(arguments[0]) if len(arguments) == 1 else None
            is_regex = bool(options.pop("regex", True)) and not method.endswith("with")
            ignores_case = not options.pop("case", True)
            if wanted is not None and not options:
                pattern = wanted if is_regex else re.escape(wanted)
                starts = method in ("match", "fullmatch", "startswith")
                ends = method in ("fullmatch", "endswith")
                if starts or ends:
                    last = r"\Z" if ends else ""
                    pattern = (r"\A" if starts else "") + f"(?:{pattern}){last}"
                found = matches_regex(value, f"(?i){pattern}" if ignores_case else pattern)
                return found, pl.Boolean()
        raise _UntranslatedError(f"'{ast.unparse(node)}' has no translation")


def _fit_constant(value: object, dtype: pl.DataType) -> object:
    """Return a constant as a column of a type compares it: a text is read as a date there."""
    if isinstance(value, str) and dtype in (pl.Date, pl.Datetime):
        return parse_moment(value, dtype)
    if isinstance(value, str) != (dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise _UntranslatedError(f"{value!r} is compared with values of type {dtype}")
    if value is None or not isinstance(value, str | int | float):
        raise _UntranslatedError(f"{value!r} is not a constant to compare with")
    return value
