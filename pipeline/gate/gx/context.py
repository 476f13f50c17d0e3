"""A project of Great Expectations on disk, kept in the folder of a run."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import re
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from siftset.schemas.errors import (
    MissingExtraError,
    OutputError,
    SuiteError,
    as_exception,
    describe_error,
)

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.file_data_context import FileDataContext

_STORE: Final = "TupleFilesystemStoreBackend"
_SUFFIXED: Final = {"filepath_suffix": ".json"}
_PAGES_BEFORE: Final = re.compile(r"(?<![\w.])pipeline\.gate\.pages\b")
"""Where projects that version 0.1.0 wrote look for their pages."""


def import_quietly() -> None:
    """Import Great Expectations without its analytics, its log and its warnings."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # What goes wrong is raised with one line of ours; its log repeats it with tracebacks.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations  # noqa: F401


def open_gx_project(folder: str | Path) -> FileDataContext:
    """Open the Great Expectations project of a run, `runs/<run_id>/gx`, to run its checkpoints.

    Needs the extra `gate`. Raises MissingExtraError, and OutputError where no project lies there.
    """
    if find_spec("great_expectations") is None:
        raise MissingExtraError("a Great Expectations project", "gate")
    if not (Path(folder) / "great_expectations.yml").is_file():
        raise OutputError(
            f"{folder} is not a project of Great Expectations: expected runs/RUN_ID/gx"
        )
    return open_context(Path(folder).resolve().parent)


def load_expectations(path: Path) -> None:
    """Run a user's Python file, whose expectation classes Great Expectations then knows by name.

    A file is run once as long as it stays as it is. Raises SuiteError where it cannot be run.
    """
    import_quietly()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SuiteError(f"{path}: the expectations cannot be read: {error.strerror}") from error
    name = f"siftset_expectations_{hashlib.sha256(bytes(path) + content).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        said = describe_error(as_exception(error))
        raise SuiteError(f"{path}: cannot be imported: {said}") from error


def open_context(folder: Path) -> FileDataContext:
    """Open the project in `folder`/gx, making it on first use.

    Offline: no analytics, no progress bars, Data Docs of our own pages in `folder`/data_docs.
    Its datasource is known in any process that calls this.
    """
    import_quietly()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

        from siftset.pipeline.gate.gx import data_docs, datasource  # noqa: F401  registers the datasource

        config = folder / "gx" / "great_expectations.yml"
        if not config.exists():
            config.parent.mkdir(parents=True, exist_ok=True)
            # JSON is YAML, and needs no writer of its own.
            text = json.dumps(_project_config(data_docs.site_config("../data_docs/")), indent=2)
            config.write_text(text + "\n", encoding="utf-8")
        elif _PAGES_BEFORE.search(written := config.read_text(encoding="utf-8")):
            now = _PAGES_BEFORE.sub(data_docs.__name__, written)
            config.write_text(now, encoding="utf-8")
        return gx.get_context(mode="file", project_root_dir=folder)


def _project_config(site: dict[str, Any]) -> dict[str, Any]:
    return {
        "config_version": 4.0,
        "analytics_enabled": False,
        "progress_bars": {"globally": False},
        "plugins_directory": "plugins/",
        "expectations_store_name": "expectations_store",
        "validation_results_store_name": "validation_results_store",
        "checkpoint_store_name": "checkpoint_store",
        "stores": {
            "expectations_store": _store_config("ExpectationsStore", "expectations/"),
            "validation_results_store": _store_config("ValidationResultsStore", "validations/"),
            "checkpoint_store": _store_config("CheckpointStore", "checkpoints/", **_SUFFIXED),
            "validation_definition_store": _store_config(
                "ValidationDefinitionStore", "validation_definitions/", **_SUFFIXED
            ),
        },
        "data_docs_sites": {"data_docs": site},
    }


def _store_config(kind: str, folder: str, **options: str) -> dict[str, Any]:
    backend = {"class_name": _STORE, "base_directory": folder, **options}
    return {"class_name": kind, "store_backend": backend}
