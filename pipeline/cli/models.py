"""Commands about models: train, compare, predict, onnx."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siftset.pipeline.cli.app import app
from siftset.pipeline.cli.command import add_command
from siftset.pipeline.cli.console import Screen
from siftset.pipeline.cli.options import Overrides, Recipe, Version, version_number
from siftset.schemas.errors import SiftsetError
from siftset.schemas.plurals import format_count

if TYPE_CHECKING:
    from siftset.schemas.recipe.loading import LoadedRecipe


@add_command(app, "train", example="siftset train nike")
def train_command(
    screen: Screen,
    recipe: Recipe,
    version: Version = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--fresh", help="Resume a run that was stopped, or train from the start."
        ),
    ] = True,
    yes: Annotated[
        bool, typer.Option("--yes", help="Download the embedded model without asking.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME", help="Upload the model to this private repository of the hub."
        ),
    ] = None,
    set_: Overrides = None,
) -> None:
    """Fine-tune the recipe's model on a version of the set. Show what changed."""
    from siftset.pipeline.commands.train import train_recipe
    from siftset.pipeline.model_registry.inputs import SECTIONS_OF_TRAINING
    from siftset.pipeline.model_registry.options import TrainOptions
    from siftset.pipeline.model_registry.train_summary import train_summary
    from siftset.schemas.recipe.loading import load_recipe

    loaded = load_recipe(recipe, overrides=set_ or (), uses=SECTIONS_OF_TRAINING)
    options = TrainOptions(
        version=version_number(loaded, version, None),
        resume=resume,
        fetch=yes or _offer_fetch(screen, loaded),
    )
    result = train_recipe(loaded, options=options, progress=screen.progress())
    if push is not None:
        from siftset.pipeline.model_registry.push_to_hub import push_model

        screen.show(f"Pushed: {push_model(result.model, push)}")
    screen.show(train_summary(result))
    screen.result(result.to_json())


@add_command(app, "compare", example="siftset compare nike --before minilm")
def compare_command(
    screen: Screen,
    recipe: Recipe,
    before: Annotated[
        str | None, typer.Option(help="Model before; default: the base model.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="Model after; default: the latest model.")
    ] = None,
    arms: Annotated[
        bool, typer.Option("--arms", help="Did the curation help: the same as `siftset proof`.")
    ] = False,
    set_: Overrides = None,
) -> None:
    """Compare two models on prompts and held-out rows."""
    from siftset.pipeline.cli.proof import show_proof
    from siftset.pipeline.commands.compare import compare_models, describe_comparison
    from siftset.pipeline.proof.prove import ProofOptions

    if arms and (before or after):
        raise SiftsetError("--arms compares sets of rows: leave out --before and --after")
    if arms:
        show_proof(screen, recipe, ProofOptions(), set_ or ())
        return
    result = compare_models(
        recipe, before=before, after=after, overrides=set_ or (), progress=screen.progress()
    )
    screen.show("\n".join(describe_comparison(Path(str(result["report"])))))
    screen.result(result)


@add_command(
    app, "predict", example='siftset predict out/nike/models/latest "Nike shoes are [MASK]"'
)
def predict_command(
    screen: Screen,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model folder, `minilm`, `static`, or a name on the hub."
        ),
    ],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts to predict.")
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Number of answers for each mask.")] = 5,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Maximum length of a generated answer, in tokens.")
    ] = 64,
    examples: Annotated[
        Path | None, typer.Option(help="Few-shot examples put before every prompt (JSON Lines).")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="File of texts to predict: CSV, Parquet, JSON Lines.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the predictions: CSV, Parquet, JSON Lines.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of --file that holds the text.")] = "text",
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings",
            help="Write embeddings of --file to --out (Parquet); with `static`, no torch needed.",
        ),
    ] = False,
) -> None:
    """Fill masks, classify or generate. The model's task decides which."""
    from siftset.pipeline.commands.predict import (
        PredictOptions,
        embed_rows,
        predict_lines,
        predict_texts,
    )

    if bool(texts) == (file is not None) or (file is None) != (out is None):
        raise SiftsetError("predict: give texts, or --file with --out")
    if embeddings and file is None:
        raise SiftsetError("--embeddings reads --file and writes --out")
    if file is not None and out is not None:
        options = PredictOptions(top_k, max_new_tokens, examples, column)
        answered = (embed_rows if embeddings else predict_lines)(model, file, out, options)
        screen.show(f"{format_count(int(str(answered['rows'])), 'row')}: {out}")
        screen.result(answered)
        return
    answers = predict_texts(
        model, texts or [], top_k=top_k, max_new_tokens=max_new_tokens, examples=examples
    )
    for line in answers.lines():
        screen.answer(line)
    screen.result(answers.to_json())


@add_command(app, "onnx", example="siftset onnx out/nike/models/latest --out nike.onnx")
def onnx_command(
    screen: Screen,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model folder, `minilm`, `static`, or a name on the hub."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="File to write, ending in .onnx; an existing one is replaced.")
    ],
) -> None:
    """Export a model to ONNX, and check that its logits agree."""
    from siftset.pipeline.commands.onnx import write_onnx

    with screen.progress().stage("write and check"):
        written = write_onnx(model, out)
    screen.show(
        f"Wrote {written.out}  ({written.size / 1e6:,.1f} MB; {written.task}; logits within "
        f"{written.difference:.0e} of the model's)"
    )
    screen.result(written.to_json())


def _offer_fetch(screen: Screen, loaded: LoadedRecipe) -> bool:
    """Offer to fetch the embedded model, to a person at a terminal only."""
    import sys

    from siftset.pipeline.model_registry.fit import lacks_embedded_model

    if screen.json or not sys.stdin.isatty() or not lacks_embedded_model(loaded.recipe.train):
        return False
    return typer.confirm("The embedded model is not in the cache. Download it (90 MB)?", err=True)
