"""Reading a recipe: a YAML, TOML or JSON file, or a shipped name, into a checked Recipe."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import JsonValue, ValidationError

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.documents import ENDINGS, Document, copy_plain, parse_document
from siftset.schemas.recipe.environment import fill_variables
from siftset.schemas.recipe.explain_error import explain_error
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.overrides import apply_override


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe, the document it came from and the folder that its paths are relative to."""

    recipe: Recipe
    raw: dict[str, JsonValue]
    """The document with `--set` applied and without environment variables: safe to record."""
    folder: Path
    path: Path
    arguments: tuple[str, ...] = ()
    """Words that name it on a command line; none for a recipe that was made in Python."""

    def resolve(self, path: str) -> Path:
        """Return a path of the recipe as an absolute one."""
        return self.folder / Path(path).expanduser()

    def check_variables(self, *sections: str) -> None:
        """Raise RecipeError where an environment variable that these sections use is not set."""
        fill_variables({key: self.raw[key] for key in sections if key in self.raw}, uses=None)


RecipeLike = str | Path | Mapping[str, object] | Recipe | LoadedRecipe
"""A recipe's file, the name of a shipped one, its content, or one that is made or loaded."""


def load_recipe(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    uses: Collection[str] | None = None,
) -> LoadedRecipe:
    """Load and check a recipe file or a shipped recipe.

    `overrides` are texts such as `train.epochs=3`. An unset environment variable is an error only
    in the sections named by `uses` (None: in every section). A recipe made in Python, a Recipe or a
    mapping of what its file would hold, has paths relative to the current folder; one that is
    loaded already is returned as it is. Raises RecipeError, one line a mistake.
    """
    if isinstance(recipe, LoadedRecipe):
        recipe.check_variables(*(recipe.raw if uses is None else uses))
        return recipe
    if isinstance(recipe, Recipe | Mapping):
        path = Path("(mapping)")
        if isinstance(recipe, Recipe):
            raw: dict[str, JsonValue] = recipe.model_dump(mode="json", exclude_unset=True)
            path = Path(f"{recipe.name}.json")
        else:
            raw = copy_plain(dict(recipe), path)
        for override in overrides:
            apply_override(raw, override, folder=Path.cwd())
        return restore_recipe(raw, folder=Path.cwd(), path=path, uses=uses)
    path, shipped = _find_recipe(recipe)
    document = parse_document(_read_text(path), path)
    raw = document.content
    for override in overrides:
        apply_override(raw, override, folder=Path.cwd())
    filled = fill_variables(raw, uses=uses)
    folder = Path.cwd() if shipped else path.resolve().parent
    changes = (word for override in overrides for word in ("--set", override))
    return LoadedRecipe(
        _validate_recipe(filled, document), raw, folder, path, (str(recipe), *changes)
    )


def restore_recipe(
    raw: dict[str, JsonValue], *, folder: Path, path: Path, uses: Collection[str] | None = None
) -> LoadedRecipe:
    """Return the recipe that was loaded once from the document `raw`, perhaps on another node."""
    document = Document(raw, path, "")
    return LoadedRecipe(
        _validate_recipe(fill_variables(raw, uses=uses), document), raw, folder, path
    )


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with siftset."""
    folder = resources.files("siftset.data").joinpath("recipes")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def recipe_json_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of a recipe, for editors: each key is described, with an example."""
    from siftset.schemas.recipe.examples import add_examples

    schema = add_examples(Recipe.model_json_schema())
    # a file without a source can run on rows of Python only: editors ask for one
    schema["required"] = [*schema["required"], "source"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _find_recipe(path_or_name: str | Path) -> tuple[Path, bool]:
    text = str(path_or_name)
    if isinstance(path_or_name, Path) or "/" in text or "\\" in text or Path(text).suffix:
        path = Path(text).expanduser()
        if path.suffix.lower() not in ENDINGS:
            raise RecipeError(
                f"recipe {path}: expected a file that ends in {', '.join(ENDINGS)}; "
                f"got '{path.suffix or path.name}'"
            )
        return path, False
    names = shipped_recipes()
    if text not in names:
        raise RecipeError(
            f"recipe '{text}': no shipped recipe has this name; expected one of "
            f"{', '.join(names)}, or a path such as ./{text}.yaml"
        )
    return Path(str(resources.files("siftset.data").joinpath("recipes", f"{text}.yaml"))), True


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"recipe {path}: no such file; expected a recipe there") from None
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"recipe {path}: not UTF-8 (byte {error.start}); save it as UTF-8 text"
        ) from None
    except OSError as error:
        raise RecipeError(f"recipe {path}: cannot be read: {error.strerror}") from None


def _validate_recipe(filled: JsonValue, document: Document) -> Recipe:
    try:
        return Recipe.model_validate(filled)
    except ValidationError as error:
        raise RecipeError(explain_error(error, document)) from None
