"""Write docs/api.md from the docstrings of what siftset exports: python docs/make_api.py"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import siftset
from siftset.pipeline.commands.explain import Explained
from siftset.pipeline.commands.predict import TextAnswers
from siftset.pipeline.refresh.plans import PlanStanding
from siftset.schemas import errors
from siftset.schemas.errors import SiftsetError
from siftset.schemas.results import summary as results
from siftset.signals.family import Family

HEAD = """# Python

Made by `python docs/make_api.py` from the docstrings. Everything here is imported from `siftset`,
except what is named with another module. A recipe is given as a path, as the name of a shipped one,
as a mapping of what its file would hold, or as a `Recipe`. Signals of your own are explained in
[six steps](signals.md), and a [notebook](notebook.md) walks a whole job.

```python
from siftset import curate, keyword, sentiment, signal

wanted = keyword("shoes") & (sentiment() >= 0.05)
wanted("I love these shoes!")     # True
```
"""

GROUPS = {
    "Commands": (
        "curate", "refresh", "CurateOptions", "train", "TrainOptions", "compare", "proof",
        "predict", "explain", "plan", "list_plans", "apply", "diff", "tag", "export_set",
        "open_gx_project",
    ),
    "Recipes": ("Recipe",),
    "Signals": (
        "signal", "preprocessor", "keyword", "sentiment", "regex", "length", "is_null", "Signal",
    ),
    "Formulas": ("parse", "Formula", "Decider", "Decisions"),
}  # fmt: skip
RETURNED = (
    results.CurateResult, results.Balance, results.Turnover, results.TrainResult,
    TextAnswers, Explained, PlanStanding,
)  # fmt: skip
OPERATORS = (
    "Signals combine by `&`, `|`, `^` and `~`; one that gives a score is compared by `>=`, `>`, "
    "`<=` and `<`, in parentheses. What comes out is asked in the same ways as a signal."
)
WIDTH = 96


def said(thing: object) -> str:
    """Return a docstring as Markdown."""
    return inspect.getdoc(thing) or ""


def in_a_line(text: str) -> str:
    return " ".join(text.split())


def signature(name: str, function: Callable[..., object]) -> str:
    """Write a function's head, over several lines where it is long."""
    found = inspect.signature(function)
    kept = [p for p in found.parameters.values() if p.name not in ("self", "cls")]
    parts: list[str] = []
    for parameter in kept:
        if parameter.kind is parameter.KEYWORD_ONLY and not {"*", "*values"} & set(parts):
            starred = any(part.startswith("*") for part in parts)
            parts += [] if starred else ["*"]
        parts.append(argument(parameter))
        if parameter.kind is parameter.POSITIONAL_ONLY:
            parts.append("/")
    back = "" if found.return_annotation is found.empty else f" -> {plain(found.return_annotation)}"
    line = f"{name}({', '.join(parts)}){back}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){back}"])


def argument(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    typed = "" if parameter.annotation is parameter.empty else f": {plain(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}{typed}{default}"


def plain(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "object")


def fields(cls: type) -> Iterator[str]:
    """Yield the fields of a class in the order of its source, with the text below each."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for item, after in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        told = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            told = f": {in_a_line(str(after.value.value))}"
        typed = ast.unparse(item.annotation)
        default = "" if item.value is None else f" = {ast.unparse(item.value)}"
        if "default_factory" in default:
            default = ""
        yield f"- `{item.target.id}: {typed}{default}`{told}"


def members(cls: type) -> Iterator[str]:
    """Yield the public methods and properties, those of our own base classes too."""
    seen: set[str] = set()
    for base in cls.__mro__[:-1]:
        for name, member in vars(base).items():
            if name in seen or (name.startswith("_") and name != "__call__"):
                continue
            if isinstance(member, property):
                shown = f"{name}: {plain(member.fget.__annotations__['return'])}"
                told = said(member)
            elif inspect.isfunction(member):
                shown, told = signature(name.replace("__call__", "signal"), member), said(member)
            else:
                continue
            seen.add(name)
            yield f"- `{in_a_line(shown)}`: {in_a_line(told)}"


def of_kind(name: str, family: Family) -> Iterator[str]:
    """Yield what a shipped kind of signal takes when it is called."""
    own = [key for key in family.parameters.model_fields if key != family.positional]
    several = "tuple" in str(family.parameters.model_fields[family.positional].annotation)
    positional = f"*{family.positional}" if several else f"{family.positional}=..."
    given = [positional, *(f"{key}=..." for key in own), "name=None"]
    yield f"```python\n{name}({', '.join(given)}) -> Signal\n```\n"
    told = family.description.splitlines()[0]
    yield f"{told} [Its parameters and examples](kinds.md#{family.kind})."


def of_class(name: str, cls: type) -> Iterator[str]:
    written = list(fields(cls))
    if not written:
        yield f"```python\n{signature(name, cls.__init__).removesuffix(' -> None')}\n```\n"
    yield said(cls)
    if name == "Signal":
        yield f"\n{OPERATORS}"
    own = [] if name in ("Signal", "Formula") else written  # these are made by functions
    yield "\n".join(["", *own, *members(cls)])


def entry(name: str, thing: object) -> str:
    """Write one name: its head, its text, its fields and methods."""
    if isinstance(thing, Family):
        parts = list(of_kind(name, thing))
    elif inspect.isclass(thing):
        parts = list(of_class(name, thing))
    else:
        assert callable(thing)
        parts = [f"```python\n{signature(name, thing)}\n```\n", said(thing)]
    return "\n".join([f"\n### {name}\n", *parts])


def raised() -> Iterator[str]:
    """Yield a line of the table for every class of errors."""
    for thing in vars(errors).values():
        if inspect.isclass(thing) and issubclass(thing, SiftsetError):
            yield f"| `{thing.__name__}` | {thing.exit_code} | {in_a_line(said(thing))} |"


def page() -> str:
    """Return the page; every exported name is on it once."""
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(set(siftset.__all__) - {"__version__"}), (
        "GROUPS and siftset.__all__ differ"
    )
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts += [f"\n## {title}", *(entry(name, getattr(siftset, name)) for name in names)]
    parts += ["\n## Results", "\nWhat commands return; every one is frozen."]
    parts += [entry(cls.__name__, cls) for cls in RETURNED]
    parts += [
        "\n## Errors",
        "\nOf `schemas.errors`. A message is one line: what, where, what was expected, what to do. "
        "The command line ends with the exit code.\n",
        "| class | exit code | |",
        "| --- | --- | --- |",
        *raised(),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("api.md").write_text(page(), encoding="utf-8")
