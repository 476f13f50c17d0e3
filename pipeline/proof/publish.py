"""Where a proof is shown besides its own page: the run's report, the models of the set."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from siftset.pipeline.model_registry.registry import MODELS
from siftset.pipeline.model_registry.result import COMPARE_JSON, RESULT, render_comparison
from siftset.pipeline.profile.history import read_history
from siftset.pipeline.stages.publish import render_report
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.run_folder import RunFolder
from siftset.schemas.results.comparison import Comparison
from siftset.schemas.results.proof import Proof

PROOF: Final = "proof"
PROOF_JSON: Final = "proof.json"
PROOF_HTML: Final = "proof.html"


def read_proof(output: Path) -> Proof | None:
    """Return the latest proof under an output folder; None where there is none to be read."""
    try:
        return Proof.model_validate_json((output / PROOF / PROOF_JSON).read_bytes())
    except (OSError, ValidationError):
        return None


def publish_proof(output: Path, proof: Proof) -> None:
    """Write a proof down, and show it in the report of its run and with the models of its set."""
    with atomic_write(output / PROOF / PROOF_JSON) as draft:
        draft.write_text(proof.model_dump_json(indent=1), encoding="utf-8")
    folder = RunFolder(output, proof.run_id)
    if folder.report.is_file():
        render_report(folder.path, read_history(output, before=proof.run_id), proof)
    for path in (output / MODELS).glob(f"*/{RESULT}"):
        if not path.parent.is_symlink():
            show_in_model(output, path.parent)


def show_in_model(output: Path, model: Path) -> Path:
    """Render a model's comparison, with the proof of the rows it was trained on; return the page.

    A proof of another run's rows is not shown.
    """
    from siftset.trainer.training.proof_card import add_proof

    proof = read_proof(output)
    made = Comparison.model_validate_json((model / COMPARE_JSON).read_bytes()).provenance
    if proof is None or made.get("run_id") != proof.run_id:
        return render_comparison(model)
    add_proof(model, proof)
    return render_comparison(model, proof)
