"""What proof.json holds: whether curated rows taught more than as many others, and how sure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from siftset.schemas.recipe.section import Section
from siftset.schemas.results.comparison import Estimate
from siftset.schemas.tasks import TaskName

ProofVerdict = Literal["yes", "no difference", "cannot say", "hurt", "not shown"]
ProofUnit = Literal["points", "percent"]
"""Differences are points of accuracy, or parts of the loss in percent."""


class ExamplesSaved(Section):
    """So many curated rows teach as much as `equals` random ones."""

    rows: int
    equals: float
    low: float
    high: float
    at_least: bool = Field(False, description="Even all rows that could be drawn teach less.")


class ProofLine(Section):
    """One comparison: curated rows less as many others, in shares (0.05 is 5 points)."""

    questions: str = Field(description="everything read, golden, or its own kind.")
    opponent: str = Field(description="random, or length-matched.")
    rows: int = Field(description="Rows that each model was trained on.")
    strength: str
    method: Literal["blocks", "halves"]
    pairs: int = Field(description="Pairs of models.")
    curated: float = Field(description="Mean score of the models of curated rows.")
    other: float
    difference: Estimate


class CurvePoint(Section):
    """Mean scores by number of training rows."""

    rows: int
    curated: float | None = None
    random: float | None = None


class ProofQuestions(Section):
    """One set of questions."""

    name: str
    rows: int
    groups: int


class Proof(Section):
    """The whole of proof.json."""

    schema_version: int = 1
    recipe: str
    task: TaskName
    key: str = Field(description="Digest of rows, labels, questions, models and settings.")
    run_id: str = Field(description="The run that published the rows that are judged.")
    set_version: int
    verdict: ProofVerdict
    sentence: str
    more: tuple[str, ...] = Field((), description="What stands below the sentence.")
    unit: ProofUnit
    model: str = Field(description="What was trained.")
    difference: Estimate | None = None
    blocks: int = 0
    block_rows: int = 0
    curated: int = Field(description="Curated rows that models could be trained on.")
    pool: int = Field(description="Rows of everything read that could be drawn.")
    read: int = Field(description="Usable rows that were read.")
    questions: int
    groups: int = Field(description="Duplicate groups of the questions: the unit of intervals.")
    question_sets: tuple[ProofQuestions, ...] = ()
    lines: tuple[ProofLine, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    examples_saved: ExamplesSaved | None = None
    everything: CurvePoint | None = Field(None, description="All rows that could be drawn.")
    trained: int = Field(0, description="Models that were trained.")
    complete: bool = Field(True, description="Whether the minutes were enough for all of it.")
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
