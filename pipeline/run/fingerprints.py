"""What decides the rows of a version, the input apart: a hash for each thing that can change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from siftset.pipeline.decisions.files import open_log
from siftset.pipeline.decisions.table import hash_decisions
from siftset.pipeline.gate.prepare import prepare_gate
from siftset.pipeline.run.examples import read_examples
from siftset.pipeline.run.job import bind_formula
from siftset.pipeline.run.job_checks import hash_gate_inputs
from siftset.pipeline.run.label_votes import bind_voters
from siftset.pipeline.run.released_rows import FILE as MENDED
from siftset.pipeline.storage.address import output_folder
from siftset.pipeline.storage.run_folder import MEANING, NOT_OF_THE_SET, json_digest
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.signals.decider import Decider
from siftset.signals.tracking.files import hash_files

_NAMED: Final = {"keep", "signals"}
"""Sections that count by what they mean, not by how they are written."""


def fingerprint_rules(loaded: LoadedRecipe, decider: Decider | None = None) -> dict[str, str]:
    """Return the hash of every section, signal and list that decides rows; reads no source.

    `decider` is the recipe's formula where it is bound already. Raises a SiftsetError where a
    signal or a suite cannot be loaded any more.
    """
    recipe = loaded.recipe
    decider = decider or bind_formula(loaded)
    mended = output_folder(loaded) / MENDED
    written = recipe.model_dump(mode="json", exclude=NOT_OF_THE_SET | _NAMED)
    voters = bind_voters(recipe, loaded.folder)
    asked = {**({} if voters is None else voters.decider.questions), **decider.questions}
    signals = {f"signal '{name}'": question.signal.fingerprint for name, question in asked.items()}
    for name in ("label", "select"):
        if written[name] is None:  # as before there was the section
            del written[name]
    examples = read_examples(loaded)
    return {
        **{f"the section '{name}'": json_digest(value) for name, value in written.items()},
        **signals,
        "the formula": decider.formula.hash,
        **({} if examples is None else {"the example texts": examples.fingerprint}),
        "the suites": json_digest(prepare_gate(loaded)),
        **{
            f"the gate's {name.strip('()')}": text
            for name, text in hash_gate_inputs(loaded).items()
        },
        "the fixed rows": "".join(hash_files(path for path in [mended] if path.is_file()).values()),
        **({} if recipe.review is None else {"the decisions": hash_decisions(open_log(loaded))}),
        "the version of siftset": str(MEANING),
    }


def name_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what two sets of hashes disagree about, in words.

    A signal that only one of them asks is a change of the formula, which says so itself.
    """
    names = dict.fromkeys([*before, *now])
    differ = [name for name in names if before.get(name) != now.get(name)]
    return [n for n in differ if (n in before and n in now) or not n.startswith("signal ")]
