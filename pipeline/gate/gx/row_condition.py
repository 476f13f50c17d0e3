"""Row conditions of Great Expectations as polars expressions."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Final

import polars as pl

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
        tree = ast.parse(condition.replace("`", "").strip(), mode="eval")
    except (SyntaxError, ValueError):
        return own
    return own or tuple(one.id for one in ast.walk(tree) if isinstance(one, ast.Name))


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
    raise SuiteError(f"row_condition {condition!r} is of no known form")


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
        return _translate_leaf(value_of(str(column["name"]), schema), data)
    raise SuiteError(f"row_condition {dict(data)!r} is of no known form")


def _translate_leaf(column: pl.Expr, data: Mapping[str, object]) -> pl.Expr:
    if data["type"] == "nullity":
        return column.is_null() if data["is_null"] else column.is_not_null()
    operator = getattr(data["operator"], "value", data["operator"])
    return _compare_value(column, str(operator), data["parameter"])


def _compare_value(column: pl.Expr, operator: str, value: object) -> pl.Expr:
    if operator in ("IN", "NOT_IN"):
        assert isinstance(value, Sequence)
        among = column.is_in(list(value)).fill_null(False)
        return among if operator == "IN" else ~among
    return _COMPARE[operator](column, value)


def _translate_query(text: str, schema: pl.Schema) -> pl.Expr:
    """Translate a pandas query: comparisons of a column with constants, and, or, not.

    Read as a syntax tree and never evaluated.
    """
    try:
        tree = ast.parse(text.replace("`", "").strip(), mode="eval")
        return _translate_node(tree.body, schema)
    except (SyntaxError, ValueError) as error:
        raise SuiteError(
            f"row_condition '{text}' cannot be translated: use comparisons of a column with "
            "constants, in, isnull(), notnull(), and, or, not"
        ) from error


def _translate_node(node: ast.expr, schema: pl.Schema) -> pl.Expr:
    if isinstance(node, ast.BoolOp):
        parts = [_translate_node(value, schema).fill_null(False) for value in node.values]
        both = isinstance(node.op, ast.And)
        return reduce(lambda left, right: left & right if both else left | right, parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        left = _translate_node(node.left, schema).fill_null(False)
        right = _translate_node(node.right, schema).fill_null(False)
        return left & right if isinstance(node.op, ast.BitAnd) else left | right
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        return ~_translate_node(node.operand, schema).fill_null(False)
    if isinstance(node, ast.Compare):
        return _translate_comparison(node, schema)
    if isinstance(node, ast.Call):
        return _translate_call(node, schema)
    if isinstance(node, ast.Name):
        return value_of(node.id, schema)
    raise ValueError(ast.dump(node))


def _translate_comparison(node: ast.Compare, schema: pl.Schema) -> pl.Expr:
    operator, right = node.ops[0], node.comparators[0]
    if len(node.ops) != 1 or not isinstance(node.left, ast.Name):
        raise ValueError("one comparison of a column at a time")
    column = value_of(node.left.id, schema)
    if isinstance(operator, ast.In | ast.NotIn):
        name = "IN" if isinstance(operator, ast.In) else "NOT_IN"
        return _compare_value(column, name, list(ast.literal_eval(right)))
    if isinstance(right, ast.Name):
        return _COMPARE[_OPERATORS[type(operator)]](column, value_of(right.id, schema))
    return _compare_value(column, _OPERATORS[type(operator)], ast.literal_eval(right))


def _translate_call(node: ast.Call, schema: pl.Schema) -> pl.Expr:
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        column = value_of(function.value.id, schema)
        if function.attr in ("isnull", "isna") and not node.args:
            return column.is_null()
        if function.attr in ("notnull", "notna") and not node.args:
            return column.is_not_null()
    raise ValueError("only isnull() and notnull() can be called")
