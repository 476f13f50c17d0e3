"""Where text comes from, and what is done to it before the first rule."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from siftset.schemas.recipe.delimited import DelimitedText
from siftset.schemas.recipe.messages import GivenMessages
from siftset.schemas.recipe.section import Section, Share

_NAMED = "Name of the source in row ids and in the report; two sources need two names."


class Synthesize(Section):
    """Sentences made from a lexicon; a row depends on (seed, row number) only."""

    name: str = Field("synthesize", description=_NAMED)
    lexicon: str = Field(description="A shipped lexicon, or the path of one (YAML).")
    rows: PositiveInt = Field(25_000, description="How many rows to make.")
    null_share: Share = Field(0.0, description="Share of rows whose text is null, exact.")
    negative_share: Share = Field(
        0.25, description="Share of rows labelled negative, counted before nulling, exact."
    )


class Join(Section):
    """A file of further columns by id: ground truth that comes late, an annotator's answers."""

    path: str = Field(description="A file, folder or glob, or an address; in any known format.")
    id: str | None = Field(None, description="Its column of ids; default: the source's.")
    columns: tuple[str, ...] | None = Field(
        None, description="Those that are taken; default: all others."
    )


class Columns(Section):
    """Which columns of a source hold what siftset needs."""

    text: str = Field("text", description="The column that holds the text.")
    label: str | None = Field(None, description="The column that holds the label.")
    id: str | None = Field(None, description="The column that identifies a record.")
    join: Join | None = Field(None, description="Columns of another file, by id.")
    messages: GivenMessages = Field(
        None,
        description="The conversation: a column of messages, a list of columns, or a mapping. "
        "`text` is then made of it unless it is named.",
    )

    @model_validator(mode="after")
    def _joins_by_id(self) -> Self:
        if self.join is not None and self.id is None:
            raise ValueError("join needs 'id', the column of the source that identifies a record")
        return self

    @property
    def makes_text(self) -> bool:
        """Whether `text` is made of the conversation."""
        return self.messages is not None and "text" not in self.model_fields_set


class Files(DelimitedText, Columns):
    """Files by path, folder or glob; plain, gzip or zstd."""

    name: str = Field("files", description=_NAMED)
    paths: tuple[str, ...] = Field(
        min_length=1,
        description="Paths, folders or globs, in order; or addresses s3://, gs://, az://.",
    )
    format: (
        Literal["csv", "tsv", "jsonl", "json", "parquet", "arrow", "excel", "lines", "text"] | None
    ) = Field(
        None,
        description="Told from the file's ending unless given; 'lines' is one row a "
        "line and 'text' one row a file.",
    )
    root: str | None = Field(
        None, description="Folder that record paths are relative to; default: the common parent."
    )
    sheet: PositiveInt | str | None = Field(
        None,
        description="Name of a sheet, or its number from 1; default: the only one with rows.",
    )
    partitions: Literal["hive", "none"] = Field(
        "none", description="'hive' reads folders that are named key=value as columns."
    )
    label_names: bool = Field(
        True, description="Labels of saved datasets are read as their names, not as numbers."
    )
    max_record_bytes: PositiveInt = Field(16 * 2**20, description="A longer record is unreadable.")


class Hub(Columns):
    """A dataset of the Hugging Face hub."""

    name: str = Field(description="The dataset's name on the hub.")
    revision: str | None = Field(None, description="Commit, tag or branch; resolved and recorded.")
    config: str | None = Field(None, description="Configuration of the dataset, if it has several.")
    split: str = Field("train", description="The split of the dataset that is read.")
    label_names: bool = Field(True, description="Labels are read as their names, not as numbers.")


class Delta(Columns):
    """A Delta table."""

    name: str = Field("delta", description=_NAMED)
    path: str = Field(description="A folder, or an address s3://, gs://, az://.")
    version: NonNegativeInt | None = Field(None, description="Default: the latest.")


class Frame(Columns):
    """Rows that Python hands over: `curate(recipe, data)`."""

    name: str = Field("frame", description=_NAMED)


class Source(Section):
    """One source: exactly one of its keys is given."""

    synthesize: Synthesize | None = Field(None, description="Sentences made from a lexicon.")
    files: Files | None = Field(None, description="Files by path, folder or glob.")
    hub: Hub | None = Field(None, description="A dataset of the Hugging Face hub.")
    delta: Delta | None = Field(None, description="A Delta table.")
    frame: Frame | None = Field(None, description="Rows that Python hands over.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        if len(self.model_fields_set) != 1:
            raise ValueError("expected exactly one of synthesize, files, hub, delta, frame")
        return self

    @property
    def config(self) -> Synthesize | Files | Hub | Delta | Frame:
        """The one that is given."""
        given = self.synthesize or self.files or self.hub or self.delta or self.frame
        assert given is not None
        return given


class MessageRepairs(Section):
    """Mechanical changes to every conversation before the integrity rules."""

    drop_last: Literal["user"] | None = Field(
        None, description="Leave out turns of this role at the end: a question without an answer."
    )
    drop_system: bool = Field(False, description="Leave out the system's turns.")


class Prepare(Section):
    """Mechanical changes to every row before the integrity rules."""

    columns: dict[str, str] = Field(
        default_factory=dict, description="Columns to rename, as new: old."
    )
    collapse_space: bool = Field(False, description="Runs of white space become one space.")
    strip_prefix: str | None = Field(
        None, description="Removed from the start of texts that have it."
    )
    unicode: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = Field(
        None, description="Unicode form that every text is brought into."
    )
    # left out of what a shard of text is known by
    messages: MessageRepairs = Field(
        MessageRepairs(), repr=False, description="Mechanical changes to every conversation."
    )
    take: PositiveInt | None = Field(None, description="Only the first N rows.")
