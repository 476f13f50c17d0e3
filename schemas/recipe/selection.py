"""How many of the kept rows are taken, and which."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from siftset.schemas.recipe.section import Section


class Select(Section):
    """So many of the rows that the formula kept, those most like example texts."""

    rows: PositiveInt = Field(
        description="Rows that are taken, duplicates aside; all where there are no more."
    )
    near: str = Field(
        description="Example texts of what the model will meet, in a column `text`, without "
        "labels: a file in JSON Lines, CSV, Parquet or one text a line, or a Delta table."
    )
    method: Literal["domain", "round_robin"] = Field(
        "domain",
        description="`domain` takes the rows that a classifier finds most like the examples as a "
        "whole; `round_robin` lets each example take its most similar row in turn.",
    )
    model: Literal["static", "minilm"] = Field(
        "static",
        description="The vectors that are compared: `static` needs no torch; with `minilm` it "
        "chooses candidates, of which MiniLM takes the best.",
    )
    per: str | None = Field(
        None,
        description="Column or path of classes that get equal shares of the rows, such as label; "
        "rows without a class are not taken.",
    )
