"""Commands of a set that a person approves: plan, apply, plans, diff, tag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Engine, LockTimeout, Overrides, Recipe, TakeOver, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siftset.schemas.results.summary import CurateResult

CHANGES: Final = 10
"""The exit code of `plan --exit-code` where applying would change a row."""

By = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Name to record; default: the current user.")
]


@add_command(
    app, "plan", example="siftset plan recipe.yaml --set signals.positive.sentiment.min=0.2"
)
def plan_command(
    screen: Screen,
    recipe: Recipe,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read only what is new, as refresh does.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 10 if rows would change.")
    ] = False,
    by: By = "",
    set_: Overrides = None,
    engine: Engine = "local",
    lock_timeout: LockTimeout = 0.0,
    take_over: TakeOver = False,
) -> None:
    """Prepare a version without publishing it. Show which rows it would change, and why."""
    from siftset.pipeline.refresh.plans import plan as run
    from siftset.pipeline.run.context import CurateOptions

    options = CurateOptions(engine=engine, lock_timeout=lock_timeout, take_over=take_over, by=by)
    result = run(
        recipe, refresh=refresh, overrides=set_ or (), options=options, progress=screen.progress()
    )
    for line in _describe_plan(result, recipe, set_ or ()):
        screen.show(line)
    screen.result(result.to_json())
    if exit_code and result.plan is not None and result.plan.changes.any:
        raise typer.Exit(CHANGES)


def _describe_plan(
    result: CurateResult, recipe: str, overrides: list[str] | tuple[()]
) -> Iterator[str]:
    import shlex

    from siftset.pipeline.approval.diff import read_difference
    from siftset.pipeline.cli.summary import shorten_path
    from siftset.pipeline.reports.difference import describe_difference

    plan = result.plan
    if plan is None:
        yield f"Nothing to plan: version {result.version} is what would be published"
        return
    folder = result.report.parent
    again = "" if result.new else " (it existed already)"
    yield f"Plan {plan.plan_id}: verdict {plan.verdict}; nothing was published{again}"
    yield ""
    yield from describe_difference(read_difference(folder), rows=10)
    yield ""
    changes = [part for change in overrides for part in ("--set", change)]
    yield f"  page      {shorten_path(folder / 'diff.html')}"
    yield f"  report    {shorten_path(result.report)}"
    yield f"  next      {shlex.join(['siftset', 'apply', recipe, plan.plan_id, *changes])}"


@add_command(app, "apply", example="siftset apply recipe.yaml --by ana --note 'looked at 50 rows'")
def apply_command(
    screen: Screen,
    recipe: Recipe,
    plan: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The plan; not needed if there is only one."),
    ] = None,
    by: By = "",
    note: Annotated[str, typer.Option("--note", help="Reason to record with the version.")] = "",
    check_input: Annotated[
        bool, typer.Option("--check-input", help="Refuse if the source has changed since.")
    ] = False,
    set_: Overrides = None,
    lock_timeout: LockTimeout = 0.0,
) -> None:
    """Publish a plan exactly as it was reviewed. Nothing is read or computed again."""
    from siftset.pipeline.cli.summary import curate_summary, next_command
    from siftset.pipeline.cli.versions import describe_training
    from siftset.pipeline.refresh.plans import apply as run

    result = run(
        recipe,
        plan,
        by=by,
        note=note,
        check_input=check_input,
        overrides=set_ or (),
        lock_timeout=lock_timeout,
        progress=screen.progress(),
    )
    screen.show(curate_summary(result, next_command(result, recipe, set_ or ())))
    if result.model is not None:
        screen.show(describe_training(result.model))
    screen.result(result.to_json())


@add_command(app, "plans", example="siftset plans recipe.yaml --prune")
def plans_command(
    screen: Screen,
    recipe: Recipe,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove plans that can no longer be applied.")
    ] = False,
    set_: Overrides = None,
) -> None:
    """List the plans that wait for approval. Show what each changes and whether it is stale."""
    from siftset.pipeline.refresh.plans import list_plans
    from siftset.pipeline.reports.difference import describe_changes

    found = list_plans(recipe, overrides=set_ or (), prune=prune)
    for one in found:
        word = "removed" if prune else one.state
        why = one.plan.refusal or "; ".join(one.stale)
        screen.answer(
            f"{one.plan.plan_id}  {word:<8} {one.plan.created}  by {one.plan.by}  "
            f"{describe_changes(one.plan.changes)}{f'  ({why})' if why else ''}"
        )
    if not found:
        screen.show("No plan was removed" if prune else "No plan is waiting")
    screen.result(
        {
            "plans": [
                {**one.plan.to_json(), "state": one.state, "stale": list(one.stale)}
                for one in found
            ],
            "removed": prune,
        }
    )


From = Annotated[
    str | None,
    typer.Option("--from", metavar="N|DATE|TAG", help="A version; default: the previous one."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="N|DATE|TAG|plan", help="A version or plan; default: current."),
]


@add_command(app, "diff", example="siftset diff recipe.yaml --to plan --html diff.html")
def diff_command(
    screen: Screen,
    recipe: Recipe,
    from_: From = None,
    to: To = None,
    html: Annotated[Path | None, typer.Option(help="Write an HTML page to this file.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a comment on a pull request.")
    ] = False,
    set_: Overrides = None,
) -> None:
    """Show which rows differ, and why. Compare two versions of the set, or a version and a plan."""
    from siftset.pipeline.approval.diff import diff as run
    from siftset.pipeline.reports.difference import (
        describe_difference,
        difference_markdown,
        difference_page,
    )
    from siftset.pipeline.storage.atomic_files import atomic_write

    found = run(recipe, from_, to, overrides=set_ or ())
    if html is not None:
        with atomic_write(html) as draft:
            draft.write_text(difference_page(found), encoding="utf-8")
        screen.note(f"Wrote {html}")
    if markdown:
        screen.answer(difference_markdown(found))
    else:
        for line in describe_difference(found):
            screen.answer(line)
    screen.result(found.model_dump(mode="json"))


@add_command(app, "tag", example="siftset tag recipe.yaml gold --version 3")
def tag_command(
    screen: Screen,
    recipe: Recipe,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name that every --version option accepts.")
    ],
    version: Version = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the name.")] = False,
    set_: Overrides = None,
    lock_timeout: LockTimeout = 0.0,
) -> None:
    """Name a version of the set. Retention keeps named versions."""
    from siftset.pipeline.approval.tag import tag as run

    number = run(
        recipe, name, version, delete=delete, overrides=set_ or (), lock_timeout=lock_timeout
    )
    verb = "no longer" if delete else "now"
    screen.show(f"Version {number} is {verb} called {name}")
    screen.result({"tag": name, "version": number, "deleted": delete})
