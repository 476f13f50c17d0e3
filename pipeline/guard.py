"""Whether the packages that answer to our names are ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from schemas.errors import SiftsetError

ROOMS: Final = ("data", "pipeline", "schemas", "signals", "trainer")


def refuse_strangers() -> None:
    """Raise SiftsetError where another module on the path takes the name of one of our packages."""
    home = Path(__file__).resolve().parents[1]
    for name in ROOMS:
        spec = importlib.util.find_spec(name)
        where = (
            spec.origin or next(iter(spec.submodule_search_locations or ()), None) if spec else None
        )
        if where is None or not Path(where).resolve().is_relative_to(home / name):
            raise SiftsetError(
                f"package '{name}' is {where or 'missing'}, expected it in {home / name}: "
                "another module of that name comes first on sys.path; rename it, leave its folder "
                "out of PYTHONPATH, or set PYTHONSAFEPATH=1"
            )
