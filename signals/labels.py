"""Labels as text: one rule tells whether two of them are the same class."""

from __future__ import annotations

import polars as pl


def labels_as_text(values: pl.Expr) -> pl.Expr:
    """Return labels as text, as schemas.recipe.section.label_text does for one value.

    1, 1.0, "1" and "1.0" are one label, and so are true, "true" and "TRUE".
    """
    text = values.cast(pl.String)
    whole = text.str.replace(r"^(-?(?:0|[1-9][0-9]*))\.0+$", "$1")
    is_flag = text.str.contains("^(?i:true|false)$")
    return pl.when(is_flag).then(text.str.to_lowercase()).otherwise(whole)


def label_column(frame: pl.DataFrame | pl.LazyFrame, column: str = "label") -> pl.Expr:
    """Return a frame's labels as text; several labels of a row are joined by a comma."""
    values = pl.col(column)
    if not isinstance(frame.lazy().collect_schema()[column], pl.List | pl.Array):
        return labels_as_text(values)
    return values.cast(pl.List(pl.String)).list.eval(labels_as_text(pl.element())).list.join(", ")
