"""What a refresh has to read: the shards that the version before does not rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.refresh.stored_input import StoredShard
from siftset.pipeline.sources.assemble import FileShard
from siftset.pipeline.sources.open import locate_shard
from siftset.pipeline.stages.retractions import read_retractions
from siftset.pipeline.storage.part_files import Part
from siftset.pipeline.storage.refresh_ledger import ShardEntry, ShardList
from siftset.pipeline.storage.run_folder import MEANING, json_digest
from siftset.schemas.results.columns import OWN_COLUMNS

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job
    from siftset.pipeline.sources import Shard
    from siftset.pipeline.sources.open import KeptTypes
    from siftset.pipeline.sources.types import Types
    from siftset.pipeline.storage.table import Store
    from siftset.schemas.recipe.model import Recipe


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """The shards of the set that would result, in order, and which of them must be read."""

    entries: tuple[ShardEntry, ...]
    todo: dict[str, Shard]
    """What to read, by the key of the entry."""
    signature: str
    key: str
    """Key of the run: equal keys give equal sets."""
    before: ShardList | None
    """What the current version rests on, if it was decided in the same way."""
    earlier_ids: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    """For inputs that are gone and are decided again, by the key of the entry, the ids of all their
    records."""


def hash_rules(job: Job) -> str:
    """Hash everything but the input that decides what becomes of a row."""
    recipe = job.recipe
    # a key that came later counts only where it is used, so that sets made before it stay as read
    rules = recipe.integrity.rows.items()
    later = recipe.integrity.messages, recipe.dedupe.on, recipe.dedupe.prefixes
    return json_digest(
        {
            "formula": job.decider.hash,
            **({} if job.voters is None else {"votes": job.voters.hash}),
            "rules": {
                name: rule.model_dump(
                    mode="json", exclude=set() if rule.differs_from else {"differs_from"}
                )
                for name, rule in rules
            },
            **({"conversations": repr(later)} if any(later) else {}),
            "split": recipe.split.model_dump(mode="json"),
            "seed": recipe.seed,
            "exact": recipe.dedupe.exact,
            **({"relabelled": told} if (told := recipe.dedupe.relabelled) else {}),
            "ids": job.has_ids,
            "columns": repr(job.sources.schema),
            "mended": None if job.fixes is None else job.fixes.fingerprint,
            **({"review": job.review.fingerprint} if job.review and job.review.fingerprint else {}),
            "suites": job.suites,
            "meaning": MEANING,
        }
    )


def make_plan(
    job: Job, store: Store, book: ShardList | None, work: Path, *, fresh: bool = False
) -> RefreshPlan:
    """Compare what the source holds now with what the current version was made from.

    `work` takes rows whose input is gone where only the set knows them. A `fresh` plan reads all
    inputs, as if they had been decided in another way before.
    """
    sign = hash_rules(job)
    same = book if book is not None and book.signature == sign and not fresh else None
    todo: dict[str, Shard] = {}
    known = {entry.key: entry for entry in same.entries} if same is not None else {}
    present: list[ShardEntry] = []
    for shard in job.sources.shards:
        key = json_digest([shard.fingerprint, sign])
        entry = ShardEntry(key, *locate_shard(shard))
        if entry.key in known:
            entry = replace(known[entry.key], gone=False)
        else:
            todo[entry.key] = shard
        present.append(entry)
    gone: list[ShardEntry] = []
    earlier_ids: dict[str, tuple[Part, ...]] = {}
    if keeps_rows(job.recipe):
        for entry, stored in _find_gone(job, store, book, work):
            if same is None or stored.is_outdated():  # its rows are decided again
                about = sign if same is None else job.key
                key = json_digest(["gone", entry.key, about])
                if job.recipe.refresh.merge == "upsert":
                    earlier_ids[key] = entry.ids
                entry = ShardEntry(key, *entry.input, entry.file, gone=True)
                if stored.rows:
                    todo[entry.key] = stored
            gone.append(entry)
    entries = _sort_entries(present, gone, () if book is None else book.entries)
    keys: list[JsonValue] = [entry.key for entry in gone]
    # The key is that of `curate` where the set rests on the present input alone.
    key = json_digest({"run": job.key, "gone": keys}) if keys else job.key
    return RefreshPlan(tuple(entries), todo, sign, key, same, earlier_ids)


def keeps_rows(recipe: Recipe) -> bool:
    """Tell whether rows stay in the set when their input is gone."""
    return recipe.refresh.removed == "keep" and recipe.refresh.merge != "replace"


def kept_types(store: Store, book: ShardList | None) -> KeptTypes:
    """Return what tells the columns of the set while it holds rows whose input is gone.

    They are part of the set's state: a narrower type of today's files must not change those rows,
    nor a column go that today's files lack.
    """

    def read_types(places: Collection[tuple[str, str, str]]) -> Types:
        if store.version() is None:
            return {}
        if book is None:
            known = {name for place in places for name in place[1:]}
            is_lost = not _rows_of_others(store, known).head(1).collect().is_empty()
        else:
            present = {(source, origin) for source, origin, _ in places}
            named = {(source, file) for source, _, file in places}
            is_lost = any(e.rows and _is_gone(e, present, named) for e in book.entries)
        schema = store.schema() if is_lost else {}
        return {name: dtype for name, dtype in schema.items() if name not in OWN_COLUMNS}

    return read_types


def _is_gone(
    entry: ShardEntry, present: Collection[tuple[str, str]], named: Collection[tuple[str, str]]
) -> bool:
    return entry.input not in present and (entry.source, entry.file) not in named


def _find_gone(
    job: Job, store: Store, book: ShardList | None, work: Path
) -> Iterable[tuple[ShardEntry, StoredShard]]:
    """Yield what the current version rests on and the source no longer has.

    Under upsert that includes inputs of which no row was kept: their records took out earlier ones.
    """
    upsert = job.recipe.refresh.merge == "upsert"
    present = {locate_shard(shard)[:2] for shard in job.sources.shards}
    named = {(str(one["source"]), str(one["name"])) for one in job.sources.inputs}
    files = [shard for shard in job.sources.shards if isinstance(shard, FileShard)]
    plans = {shard.plan.source: shard.plan for shard in files}
    if book is None:
        known = {origin for _, origin in present} | {name for _, name in named}
        names = [source.config.name for source in job.recipe.source]
        source = names[0] if len(names) == 1 else ""
        book = _list_lost_rows(store, known, work, source=source)
        if upsert:
            lost = _list_retractions(store, known, work)
            book = ShardList("", (*book.entries, *lost))
    for entry in book.entries:
        retracts = upsert and any(part.rows for part in entry.ids)
        if not _is_gone(entry, present, named) or not (entry.rows or retracts):
            continue
        kept = replace(entry, gone=True)
        parts = (entry.candidates, entry.ids)
        yield (
            kept,
            StoredShard(
                entry.file,
                entry.key,
                job.sources.schema,
                *parts,
                plan=plans.get(entry.source),
                by_hand=frozenset() if job.review is None else job.review.changed_ids(),
            ),
        )


def _list_lost_rows(store: Store, present: set[str], work: Path, *, source: str) -> ShardList:
    """Return a book of the rows of the set whose input is none of `present`."""
    version = store.version()
    if version is None:
        return ShardList("")
    file = pl.col("source").struct.field("file")
    lost = _rows_of_others(store, present).collect()
    entries: list[ShardEntry] = []
    for (name,), rows in lost.with_columns(_file=file).partition_by("_file", as_dict=True).items():
        path = work / f"gone-{len(entries):05d}.parquet"
        record = pl.col("source").struct.field("record")
        rows.drop("_file").sort(record).write_parquet(path)
        key = json_digest([str(store.path), version, str(name)])
        part = Part(path, rows.height)
        entries.append(ShardEntry(key, source, str(name), str(name), candidates=(part,)))
    return ShardList("", tuple(entries))


def _list_retractions(store: Store, present: set[str], work: Path) -> Iterable[ShardEntry]:
    """Yield what records took out whose input is none of `present`, an entry a file."""
    taken_out = read_retractions(store)
    if taken_out is None:
        return
    bare = pl.col("file").str.replace(r"@\d+$", "")
    others = ~pl.col("file").is_in(list(present)) & ~bare.is_in(list(present))
    parted = taken_out.filter(others).partition_by("source", "file", as_dict=True)
    for number, ((source, name), ids) in enumerate(parted.items()):
        path = work / f"retracted-{number:05d}.parquet"
        ids.drop("source").write_parquet(path)
        key = json_digest([str(store.path), store.version(), "retracted", str(source), str(name)])
        part = Part(path, ids.height)
        yield ShardEntry(key, str(source), str(name), str(name), ids=(part,), gone=True)


def _rows_of_others(store: Store, present: Collection[str]) -> pl.LazyFrame:
    """Return the rows of the set whose input is none of `present`."""
    file = pl.col("source").struct.field("file")
    bare = file.str.replace(r"@\d+$", "")
    return store.scan().filter(~file.is_in(list(present)) & ~bare.is_in(list(present)))


def _sort_entries(
    present: Sequence[ShardEntry], gone: Sequence[ShardEntry], before: Sequence[ShardEntry]
) -> list[ShardEntry]:
    """Put inputs that are gone where their names sort among the inputs of their source.

    Where the recipe names inputs in another order, one that is gone stays behind those that it
    followed in the version before; where that is not known it is older than all.
    """
    sources = dict.fromkeys(entry.source for entry in (*present, *gone))
    found: list[ShardEntry] = []
    for source in sources:
        here = [entry for entry in present if entry.source == source]
        lost = [entry for entry in gone if entry.source == source]
        names = [Path(entry.file) for entry in here]
        if names == sorted(names):
            found += sorted([*here, *lost], key=lambda entry: Path(entry.file))
            continue
        inputs = list(dict.fromkeys(entry.input for entry in before))
        for entry in lost:
            at = inputs.index(entry.input) if entry.input in inputs else 0
            followed = set(inputs[: at + 1])
            last = [n for n, one in enumerate(here, 1) if one.input in followed]
            here.insert(last[-1] if last else 0, entry)
        found += here
    return found
