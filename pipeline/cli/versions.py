"""Commands about a set through time: refresh, history, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import (
    Engine,
    Fresh,
    FreshSet,
    LockTimeout,
    Overrides,
    Recipe,
    TakeOver,
    Version,
)
from siftset.schemas.plurals import format_count

if TYPE_CHECKING:
    from pydantic import JsonValue


@add_command(app, "refresh", example="siftset refresh recipe.yaml --lock-timeout 600")
def refresh_command(
    screen: Screen,
    recipe: Recipe,
    set_: Overrides = None,
    engine: Engine = "local",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but publish; writes preview/.")
    ] = False,
    fresh: Fresh = False,
    fresh_set: FreshSet = False,
    lock_timeout: LockTimeout = 0.0,
    take_over: TakeOver = False,
) -> None:
    """Curate what is new. Check it at the gate, publish it, and train when training is due."""
    from siftset.pipeline.cli.summary import curate_summary, next_command
    from siftset.pipeline.refresh import refresh as run
    from siftset.pipeline.run.context import CurateOptions

    options = CurateOptions(
        dry_run=dry_run,
        fresh=fresh,
        fresh_set=fresh_set,
        take_over=take_over,
        lock_timeout=lock_timeout,
        engine=engine,
    )
    result = run(recipe, overrides=set_ or (), options=options, progress=screen.progress())
    following = next_command(result, recipe, set_ or (), again="refresh")
    screen.show(curate_summary(result, following))
    if result.model is not None:
        screen.show(describe_training(result.model))
    screen.result(result.to_json())


@add_command(app, "history", example="siftset history nike")
def history_command(screen: Screen, recipe: Recipe, set_: Overrides = None) -> None:
    """List the versions of the set. With the runs that made them and the models trained on them."""
    from siftset.pipeline.refresh.versions import list_history

    versions = list_history(recipe, overrides=set_ or ())
    for entry in versions:
        models = entry["models"] if isinstance(entry["models"], list) else []
        names = entry["tags"] if isinstance(entry["tags"], list) else []
        approved = f"  approved by {entry['approved_by']}" if entry["approved_by"] else ""
        gone = "" if entry["available"] else "  (files removed)"
        by_hand = entry.get("by_hand")
        told = [f"{n:,} {how}" for how, n in by_hand.items()] if isinstance(by_hand, dict) else []
        line = (
            f"version {entry['version']}  {entry['published']}  {entry['run_id']}  "
            f"{format_count(int(str(entry['rows'])), 'row')}  {entry['verdict']}{gone}  "
            f"{' '.join(map(str, models))}{''.join(f'  [{name}]' for name in names)}{approved}"
            f"{'  by hand: ' if told else ''}{', '.join(told)}"
        )
        screen.answer(line.rstrip())
    screen.result({"versions": [dict(entry) for entry in versions]})


@add_command(app, "rollback", example="siftset rollback nike --version 0")
def rollback_command(
    screen: Screen,
    recipe: Recipe,
    version: Version = None,
    set_: Overrides = None,
    lock_timeout: LockTimeout = 0.0,
) -> None:
    """Bring back an earlier version of the set. Without --version, the previous model."""
    from siftset.pipeline.approval.resolve_version import resolve_version
    from siftset.pipeline.model_registry.registry import MODELS, roll_back_model
    from siftset.pipeline.refresh.versions import roll_back_set
    from siftset.pipeline.remote_output.open import open_store
    from siftset.pipeline.remote_output.push import push_output

    loaded, store = open_store(recipe, overrides=set_ or ())
    if version is None:
        name = roll_back_model(store.output / MODELS)
        push_output(loaded)
        screen.show(f"The current model is {name}")
        screen.result({"model": name})
        return
    wanted = resolve_version(store, version)
    number = roll_back_set(recipe, wanted, overrides=set_ or (), lock_timeout=lock_timeout)
    screen.show(
        f"Version {number} holds the rows of version {wanted}. The next refresh follows the "
        "source again: fix the source or the recipe first."
    )
    screen.result({"version": number, "of": wanted})


def describe_training(found: dict[str, JsonValue]) -> str:
    """Say in lines what became of the model after the set."""
    if not found.get("due"):
        return f"  model     not trained: {found['why']}"
    promoted = "promoted" if found.get("promoted") else "kept, not promoted"
    return (
        f"  model     {found['model']} ({found['why']})\n            {promoted}: {found['because']}"
    )
