"""What metrics.json holds of labels: votes on them, doubts about them, what they are worth."""

from __future__ import annotations

from pydantic import Field

from siftset.schemas.results.metrics_part import Example, Metrics


class LabelPrecision(Metrics):
    """Rows with a label that the recipe wants, of rows with any label."""

    wanted: tuple[str, ...]
    right: int
    labelled: int


class VoterMetrics(Metrics):
    """One voter: a signal, or a formula over signals, that votes for a class."""

    label: str
    voter: str
    votes: int = Field(0, description="Rows that it votes on: its coverage.")
    alone: int = Field(0, description="Of those, rows on which nothing else votes.")
    conflicts: int = Field(0, description="Of those, rows on which another class has a vote.")
    unknown: int = Field(0, description="Rows of which it cannot say, so does not vote.")
    faults: int = Field(0, description="Of those, rows on which a signal of it raised.")
    known: int = Field(0, description="Rows that it votes on whose label is known.")
    right: int = Field(0, description="Of those, rows whose known label is its class.")


class VotedClass(Metrics):
    """One class: how often it was voted, and how that agrees with labels that are known."""

    label: str
    rows: int = Field(0, description="Rows that got this label.")
    known: int = Field(0, description="Of those, rows whose label is known.")
    right: int = Field(0, description="Of those, rows whose known label is this one.")
    truth: int = Field(0, description="Rows whose known label is this one, voted or not.")


class VoteMetrics(Metrics):
    """What the votes on labels came to, of the rows that were read."""

    rows: int = 0
    silent: int = Field(0, description="Rows without a vote, so without a label.")
    tied: int = Field(0, description="Rows whose classes have equally many votes: no label.")
    disputed: int = Field(0, description="Rows with votes for several classes, the tied included.")
    overlap: int = Field(0, description="Rows with several votes, of one class or more.")
    known: int = Field(0, description="Rows whose label is known.")
    classes: tuple[VotedClass, ...] = ()
    voters: tuple[VoterMetrics, ...] = ()


class DoubtfulLabels(Metrics):
    """Rows that are given one label and look like another."""

    label: str
    other: str
    rows: int
    examples: tuple[Example, ...] = Field((), description="The most doubtful; `reason`: how much.")


class LabelDoubts(Metrics):
    """Which labels look wrong to models that did not see the rows, by confident learning."""

    rows: int = Field(description="Labelled rows that were asked about: the denominator.")
    wrong: int = Field(description="Labels that look wrong.")
    pairs: tuple[DoubtfulLabels, ...] = Field((), description="The commonest first, at most 10.")
    file: str = Field("", description="Where every row lies with its score.")
    of: str = Field("", description="Whose labels: of this input, or those that models learned.")


class KeptClass(Metrics):
    """One class of voted labels, before and after the share of it that is kept."""

    label: str
    rows: int
    taken: int = Field(description="Rows that stay.")
    known: int = Field(0, description="Rows whose label is known.")
    right: int = Field(0, description="Of those, rows whose known label is this one.")
    taken_known: int = Field(0, description="Rows that stay whose label is known.")
    taken_right: int = Field(0, description="Of those, rows whose known label is this one.")


class LabelCut(Metrics):
    """The share of every class of voted labels that the texts nearby agree with most."""

    share: float
    rows: int = Field(description="Kept rows with a label that repeat no other one.")
    taken: int = Field(description="Of those, rows that stay.")
    unlabelled: int = Field(0, description="Rows without a label: all of them stay.")
    reference: int = Field(0, description="Rows among which neighbours were looked for.")
    classes: tuple[KeptClass, ...] = ()


class WorthPoint(Metrics):
    """What a small model answers that learned from so many known labels."""

    labels: int
    right: int = Field(description="Questions answered rightly, over all draws.")
    asked: int = Field(description="Questions asked, over all draws.")


class LabelWorth(Metrics):
    """How many known labels teach a small model as much as the voted ones of the set."""

    voted: int = Field(description="Rows with a voted label that it learned from.")
    known: int = Field(description="Rows with a known label that it learned from at most.")
    questions: int = Field(description="Rows with a known label that it was asked.")
    right: int = Field(description="Of those, answered rightly by what learned from votes.")
    curve: tuple[WorthPoint, ...] = ()
    worth: int | None = Field(
        None, description="Known labels that do as well; null where all of them do worse."
    )
    of: str = Field("", description="The golden file, where the known labels are its own.")
