"""What a refresh adds and removes: shards are read, duplicates resolved against the set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from siftset.pipeline.approval.turnover import count_turnover
from siftset.pipeline.commands.publish_run import BuiltVersion
from siftset.pipeline.engines.sift import sift_shards
from siftset.pipeline.profile.state import ProfileState
from siftset.pipeline.refresh.change import SetChange, find_change, list_dropped
from siftset.pipeline.refresh.plan import RefreshPlan
from siftset.pipeline.refresh.stored_input import EmptyShard, carry_ids
from siftset.pipeline.refresh.write_version import VersionFiles, write_change
from siftset.pipeline.run.context import CurateRun
from siftset.pipeline.run.frozen_split import OWN
from siftset.pipeline.stages.freeze_split import freeze_split
from siftset.pipeline.stages.hand_decisions import read_reviewed
from siftset.pipeline.stages.judgement import Assessment
from siftset.pipeline.stages.measures.profiles import PROFILE, profile_files
from siftset.pipeline.stages.publish import Addition, publish
from siftset.pipeline.stages.retractions import keep_retractions
from siftset.pipeline.stages.run_outcome import draw_balance
from siftset.pipeline.storage.part_files import rows_at
from siftset.pipeline.storage.refresh_ledger import METADATA, RefreshLedger, ShardList
from siftset.schemas.results.summary import CurateResult, Turnover


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementalVersion(BuiltVersion):
    """The version before, and what is added to and removed from it."""

    change: SetChange
    written: VersionFiles
    book: ShardList
    ledger: RefreshLedger
    replaces: bool
    """Whether the rows before are replaced, because they were decided in another way."""

    def count_turnover(self, run: CurateRun) -> Turnover | None:
        """Count the rows that are added and removed; where none is removed, without the set."""
        version = run.store.version()
        if version is None or self.written.mode == "overwrite":
            return count_turnover(run.store, [file.path for file in self.written.files])
        return Turnover(version, int(self.change.added.sum()), 0)

    def _profile_set(self, run: CurateRun) -> None:
        """Make of the profile of the new rows that of the set: later runs compare with it."""
        came_back = bool((self.change.added & ~self.change.read).any())
        if self.change.removed.height or came_back:
            # what has left cannot be taken out of a profile, whose samples of words hold no rows
            profile_files(run, self.written.files)
        else:
            _add_profile(run)

    def prepare(self, run: CurateRun) -> Addition:
        """Keep what the next refresh needs; a commit that fails, or waits, leaves only waste."""
        if not self.replaces and (run.folder / PROFILE).is_file():
            self._profile_set(run)
        keep_retractions(run, ((entry.source, entry.ids) for entry in self.book.entries))
        self.ledger.store(run.run_id, self.book)
        return Addition(self.written.committed, self.written.mode, {METADATA: run.run_id})

    def publish(self, run: CurateRun, assessment: Assessment) -> CurateResult:
        """Keep what the next refresh needs, then commit."""
        result = publish(run, self.outcome, assessment, self.prepare(run))
        self.ledger.sweep(run.run_id, self.book)
        return result


def build_increment(run: CurateRun, plan: RefreshPlan, ledger: RefreshLedger) -> IncrementalVersion:
    """Read the shards that are new, find what is added and removed, and write the files."""
    if plan.todo:
        results = sift_shards(run, replace(run.job.sources, shards=tuple(plan.todo.values())))
    else:  # at least one shard, so that there are columns
        nothing = replace(run.job.sources, shards=(EmptyShard(run.job.sources.schema),))
        results = sift_shards(replace(run, options=replace(run.options, engine="local")), nothing)
    read = {key: result.parts for key, result in zip(plan.todo, results, strict=False)}
    entries = [
        replace(
            entry,
            candidates=read[entry.key]["candidates"],
            ids=read[entry.key]["ids"],
            reviewed=read[entry.key]["reviewed"],
        )
        if entry.key in read
        else entry
        for entry in plan.entries
    ]
    entries = [
        replace(
            entry, ids=carry_ids(plan.earlier_ids[entry.key], entry.ids, run.folder / "carried")
        )
        if entry.key in plan.earlier_ids
        else entry
        for entry in entries
    ]
    candidates = sum(entry.rows for entry in entries)
    with run.progress.stage("find duplicates", candidates) as stage:
        change = find_change(run, entries, set(plan.todo), plan.before)
        repeats = change.repeats.filter(change.read[change.repeats["place"].to_numpy()])
        stage.advance(candidates, f"{repeats.height:,} found among what is new")
    replaces = plan.before is None
    strata = rows_at(change.parts, change.kept, list(OWN))
    run = replace(run, frozen=freeze_split(run, strata))
    written = write_change(run, change, results[0].parts["candidates"][0], replaces=replaces)
    outcome = draw_balance(
        results,
        repeats,
        kept=int((change.kept & change.read).sum()),
        files=written.files,
        duplicates=written.duplicates,
        unselected=written.left,
        left=int((change.left & change.read).sum()),
        choice=change.choice,
        added=written.added,
    )
    told = [part for entry in entries for part in entry.reviewed]
    reviewed = None if run.job.review is None else read_reviewed(told)
    outcome = replace(outcome, frozen=run.frozen, reviewed=reviewed)
    moves = replaces or bool(plan.todo) or bool(change.added.any()) or change.removed.height > 0
    book = ShardList(plan.signature, tuple(entries), list_dropped(entries, change.kept))
    return IncrementalVersion(
        tuple(plan.todo.values()),
        results,
        outcome,
        moves,
        change=change,
        written=written,
        book=book,
        ledger=ledger,
        replaces=replaces,
    )


def _add_profile(run: CurateRun) -> None:
    """Add the profile of the set before to that of the new rows."""
    current, path = run.store.current(), run.folder / PROFILE
    if current is None:
        return
    before = run.store.output / "runs" / current.run_id / PROFILE
    if before.is_file():
        states = [ProfileState.model_validate_json(one.read_bytes()) for one in (before, path)]
        path.write_text((states[0] + states[1]).model_dump_json(), encoding="utf-8")
