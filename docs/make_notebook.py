"""Write docs/notebook.md from docs/notebooks/nike.ipynb: python docs/make_notebook.py"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOTEBOOK = "notebooks/nike.ipynb"
NOTE = (
    f"\nThis page shows [the notebook]({NOTEBOOK}) as it ran once, made by "
    "`python docs/make_notebook.py`.\n"
)


def fenced(language: str, text: str) -> str:
    return f"\n```{language}\n{text.rstrip()}\n```\n"


def outputs(cell: dict[str, Any]) -> Iterator[str]:
    for output in cell["outputs"]:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        yield fenced("text", "".join(text))


def cells(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield f"\n{source}\n"
        else:
            yield fenced("python", source)
            yield from outputs(cell)


def page() -> str:
    """Return the notebook as Markdown, with a line that leads to it below its title."""
    notebook = json.loads((HERE / NOTEBOOK).read_text("utf-8"))
    title, _, rest = "".join(cells(notebook)).lstrip().partition("\n")
    return f"{title}\n{NOTE}{rest}"


if __name__ == "__main__":
    (HERE / "notebook.md").write_text(page(), encoding="utf-8")
