"""OpenLineage events of a refresh: from where to where data went, in a file or to an address.

Shapes are those of the specification 2-0-2 (openlineage.io/spec). An event that does not arrive
is a warning: nothing waits for it and nothing is refused because of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import uuid4

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.storage.object_store import is_address, without_scheme
from siftset.pipeline.storage.remote import public_address
from siftset.pipeline.storage.run_folder import software_versions
from siftset.pipeline.storage.table import SET, Store
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.environment import hide_in_json
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.source import Delta, Files, Hub, Synthesize
from siftset.schemas.results.summary import CurateResult

PRODUCER: Final = "siftset"
PRODUCER_URI: Final = f"urn:{PRODUCER}"
_SPEC: Final = "https://openlineage.io/spec"
_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final = {
    "schema": "1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
    "storage": "1-0-1/StorageDatasetFacet.json#/$defs/StorageDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/"
    "OutputStatisticsOutputDatasetFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet",
}

Kind = Literal["START", "COMPLETE", "FAIL", "ABORT"]
Json = dict[str, JsonValue]


@dataclass(slots=True)
class LineageEvents:
    """Tells of one run of one job; without a `place`, nobody."""

    loaded: LoadedRecipe
    place: str
    job: str
    progress: Progress
    inputs: list[Json]
    outputs: list[Json] = field(default_factory=list)
    run: str = field(default_factory=lambda: str(uuid4()))

    def send(self, kind: Kind, **facets: JsonValue) -> None:
        """Send one event."""
        if not self.place:
            return
        namespace = os.environ.get("OPENLINEAGE_NAMESPACE", PRODUCER)
        version = software_versions().get(PRODUCER, "")
        engine = _make_facet("processing_engine", name=PRODUCER, version=version)
        kind_of_job = {"processingType": "BATCH", "integration": PRODUCER.upper(), "jobType": "JOB"}
        job = _make_facet("jobType", **kind_of_job)
        event: Json = {
            "eventType": kind,
            "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "producer": PRODUCER_URI,
            "schemaURL": _EVENT,
            "run": {"runId": self.run, "facets": {**engine, **facets}},
            "job": {"namespace": namespace, "name": self.job, "facets": job},
            "inputs": [*self.inputs],
            "outputs": [*self.outputs],
        }
        if is_address(self.place):
            key = os.environ.get("OPENLINEAGE_API_KEY")
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            from siftset.pipeline.notifications.webhook import post_json

            failed = post_json(self.place, event, headers)
        else:
            failed = self._append_line(event)
        if failed:
            self.progress.say(f"warning: OpenLineage event not sent: {failed}")

    def add_output(self, result: CurateResult) -> None:
        """Note which version of the set the run left behind."""
        if self.place and result.version is not None:
            self.outputs.append(_describe_set(Store(result.output), result))
            mirror = self.loaded.recipe.mirror
            if mirror is not None:
                self.outputs.append({**self.outputs[-1], **_split_name(mirror)})

    def _append_line(self, event: Json) -> str | None:
        """Add one line to a file; lines of runs at the same time do not mix."""
        try:
            line = json.dumps(hide_in_json(event), ensure_ascii=False) + "\n"
            path = self.loaded.resolve(self.place)
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)
        except OSError as error:
            return f"{self.place}: {error.strerror}"
        return None


@contextmanager
def open_events(
    loaded: LoadedRecipe, progress: Progress, *, silent: bool = False
) -> Iterator[LineageEvents]:
    """Tell that a refresh begins, and whether it is complete, failed or was stopped."""
    place = "" if silent else loaded.recipe.refresh.lineage or ""
    name, inputs = f"{loaded.recipe.name}.refresh", _list_inputs(loaded)
    events = LineageEvents(loaded, place, name, progress, inputs)
    events.send("START")
    try:
        yield events
    except Exception as error:
        said = _make_facet("errorMessage", message=str(error), programmingLanguage="Python")
        events.send("FAIL", **said)
        raise
    except BaseException:
        events.send("ABORT")
        raise
    events.send("COMPLETE")


def send_training_events(events: LineageEvents, model: str, result: CurateResult) -> None:
    """Tell of a training that followed a refresh: from a version of the set to a model folder."""
    name = f"{events.loaded.recipe.name}.train"
    inputs = [_split_name(public_address(result.output, SET)) | _version_facet(result.version)]
    training = LineageEvents(events.loaded, events.place, name, events.progress, inputs)
    training.send("START")
    training.outputs.append(_split_name(model))
    training.send("COMPLETE")


def _make_facet(kind: str, /, **values: JsonValue) -> Json:
    return {
        kind: {"_producer": PRODUCER_URI, "_schemaURL": f"{_SPEC}/facets/{_FACETS[kind]}", **values}
    }


def _split_name(place: str) -> Json:
    """Return namespace and name of a path or of an address, as the specification has them."""
    if not is_address(place):
        return {"namespace": "file", "name": place}
    bucket, _, name = without_scheme(place).partition("/")
    return {"namespace": f"{place.partition('://')[0]}://{bucket}", "name": name or "/"}


def _list_inputs(loaded: LoadedRecipe) -> list[Json]:
    """Return what a recipe reads: paths, folders and patterns as they are written, made whole."""
    found: list[Json] = []
    for source in loaded.recipe.source:
        match source.config:
            case Files(paths=paths):
                found += [_split_name(_full_path(loaded, path)) for path in paths]
            case Delta(path=path, version=version):
                found.append(_split_name(_full_path(loaded, path)) | _version_facet(version))
            case Hub(name=name):
                found.append({"namespace": "hf://datasets", "name": name})
            case Synthesize(lexicon=lexicon):
                found.append({"namespace": PRODUCER, "name": f"lexicon/{lexicon}"})
    return found


def _full_path(loaded: LoadedRecipe, path: str) -> str:
    return path if is_address(path) else os.path.normpath(loaded.resolve(path))


def _version_facet(version: int | None) -> Json:
    if version is None:
        return {}
    return {"facets": _make_facet("version", datasetVersion=str(version))}


def _describe_set(store: Store, result: CurateResult) -> Json:
    files = store.files(result.version)
    fields: list[JsonValue] = [
        {"name": name, "type": str(dtype)}
        for name, dtype in pl.read_parquet_schema(files[0]).items()
    ]
    return {
        **_split_name(public_address(store.output, SET)),
        "facets": {
            **_make_facet("schema", fields=fields),
            **_make_facet("version", datasetVersion=str(result.version)),
            **_make_facet("storage", storageLayer="delta", fileFormat="parquet"),
        },
        "outputFacets": _make_facet(
            "outputStatistics",
            rowCount=result.set_rows,
            size=sum(path.stat().st_size for path in files),
            fileCount=len(files),
        ),
    }
