"""Great Expectations' datasource over polars: Parquet files, Delta versions, frames."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Optional, Union

import polars as pl
from great_expectations.compatibility import pydantic
from great_expectations.core.batch import LegacyBatchDefinition
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.batch_spec import PathBatchSpec, RuntimeDataBatchSpec
from great_expectations.core.id_dict import IDDict
from great_expectations.datasource.fluent.batch_identifier_util import make_batch_identifier
from great_expectations.datasource.fluent.batch_request import BatchRequest
from great_expectations.datasource.fluent.constants import _DATA_CONNECTOR_NAME
from great_expectations.datasource.fluent.interfaces import Batch, DataAsset, Datasource

from siftset.pipeline.gate.gx.engine import PolarsExecutionEngine
from siftset.schemas.errors import SuiteError

# ruff: noqa: UP007, UP045  these models are read by pydantic 1


class PolarsAsset(DataAsset):  # type: ignore[type-arg]  # its parameters are not exported
    """Something that is scanned as one lazy frame."""

    def scan_rows(self, options: Mapping[str, Any]) -> pl.LazyFrame:
        """Return the plan that reads the asset."""
        raise SuiteError(f"asset '{self.name}' has no way to be read")

    def test_connection(self) -> None:
        """Raise unless the asset can be opened."""

    def get_batch_parameters_keys(self, partitioner: Any = None) -> tuple[str, ...]:  # noqa: ANN401
        """Return the options that a batch takes."""
        return ()

    def get_batch_identifiers_list(self, batch_request: Any) -> list[dict[Any, Any]]:  # noqa: ANN401
        """Return the one batch that there is."""
        return [IDDict(batch_request.options)]

    def build_batch_request(
        self,
        options: Any = None,  # noqa: ANN401
        batch_slice: Any = None,  # noqa: ANN401
        partitioner: Any = None,  # noqa: ANN401
    ) -> BatchRequest[Any]:
        """Return the request for the whole asset."""
        return BatchRequest(
            datasource_name=self.datasource.name, data_asset_name=self.name, options=options or {}
        )

    def add_batch_definition_whole(self, name: str) -> BatchDefinition[Any]:
        """Name the whole asset as a batch."""
        return self.add_batch_definition(name=name, partitioner=None)

    def get_batch(self, batch_request: BatchRequest[Any]) -> Batch:
        """Return the whole asset, as a plan."""
        options = dict(batch_request.options or {})
        unknown = set(options) - set(self.get_batch_parameters_keys())
        if unknown:
            raise SuiteError(f"asset '{self.name}' takes no option {', '.join(sorted(unknown))}")
        engine = self.datasource.get_execution_engine()
        data, markers = engine.make_batch(self.scan_rows(options))
        definition = LegacyBatchDefinition(
            datasource_name=self.datasource.name,
            data_connector_name=_DATA_CONNECTOR_NAME,
            data_asset_name=self.name,
            batch_identifiers=make_batch_identifier(options),
            batch_spec_passthrough=None,
        )
        return Batch(
            datasource=self.datasource,
            data_asset=self,
            batch_request=batch_request,
            data=data,
            metadata=self._get_batch_metadata_from_batch_request(
                batch_request=batch_request, ignore_options=("dataframe",)
            ),
            batch_markers=markers,
            batch_spec=self._batch_spec(),
            batch_definition=definition,
        )

    def _batch_spec(self) -> PathBatchSpec | RuntimeDataBatchSpec:
        return RuntimeDataBatchSpec(batch_data="polars")


class ParquetAsset(PolarsAsset):
    """Parquet files, by path or glob, read as one table."""

    type: Literal["parquet"] = "parquet"
    paths: pydantic.conlist(str, min_items=1)  # type: ignore[valid-type]

    class Config:  # noqa: D106
        extra = pydantic.Extra.forbid

    def scan_rows(self, options: Mapping[str, Any]) -> pl.LazyFrame:
        """Return the plan that reads the files; a column that one lacks is null there."""
        return pl.scan_parquet(self.paths, missing_columns="insert")

    def test_connection(self) -> None:
        """Raise unless the files can be opened."""
        self.scan_rows({}).collect_schema()

    def _batch_spec(self) -> PathBatchSpec:
        return PathBatchSpec(path=str(self.paths[0]), reader_method="scan_parquet")


class DeltaAsset(PolarsAsset):
    """One version of a Delta table; the newest where none is named."""

    type: Literal["delta"] = "delta"
    path: str
    version: Optional[int] = None

    class Config:  # noqa: D106
        extra = pydantic.Extra.forbid

    def scan_rows(self, options: Mapping[str, Any]) -> pl.LazyFrame:
        """Return the plan that reads the version."""
        return pl.scan_delta(self.path, version=self.version)

    def test_connection(self) -> None:
        """Raise unless the table can be opened."""
        self.scan_rows({}).collect_schema()

    def _batch_spec(self) -> PathBatchSpec:
        return PathBatchSpec(path=self.path, reader_method="scan_delta")


class FrameAsset(PolarsAsset):
    """A frame that is handed over at run time, as the batch parameter `dataframe`."""

    type: Literal["frame"] = "frame"

    class Config:  # noqa: D106
        extra = pydantic.Extra.forbid

    def get_batch_parameters_keys(self, partitioner: Any = None) -> tuple[str, ...]:  # noqa: ANN401
        """Return the one option: the frame."""
        return ("dataframe",)

    def scan_rows(self, options: Mapping[str, Any]) -> pl.LazyFrame:
        """Return the frame that the options hold."""
        frame = options.get("dataframe")
        if not isinstance(frame, pl.DataFrame | pl.LazyFrame):
            raise SuiteError(f"asset '{self.name}' needs a polars frame: pass it as 'dataframe'")
        return frame.lazy()


class PolarsDatasource(Datasource):  # type: ignore[type-arg]  # its parameters are not exported
    """A datasource whose assets are polars plans; `context.data_sources.add_polars(name)`."""

    asset_types: ClassVar[list[type[PolarsAsset]]] = [ParquetAsset, DeltaAsset, FrameAsset]
    type: Literal["polars"] = "polars"
    assets: list[Union[ParquetAsset, DeltaAsset, FrameAsset]] = []  # noqa: RUF012

    @property
    def execution_engine_type(self) -> builtins.type[PolarsExecutionEngine]:
        """Return the engine that answers the metrics."""
        return PolarsExecutionEngine

    def test_connection(self, test_assets: bool = True) -> None:
        """Raise unless every asset can be opened."""
        for asset in self.assets if test_assets else ():
            asset.test_connection()

    def add_parquet_asset(self, name: str, paths: list[str | Path]) -> ParquetAsset:
        """Add Parquet files as one table."""
        asset: ParquetAsset = self._add_asset(
            ParquetAsset(name=name, paths=[str(path) for path in paths])
        )
        return asset

    def add_delta_asset(
        self, name: str, path: str | Path, version: int | None = None
    ) -> DeltaAsset:
        """Add a version of a Delta table."""
        asset: DeltaAsset = self._add_asset(DeltaAsset(name=name, path=str(path), version=version))
        return asset

    def add_frame_asset(self, name: str) -> FrameAsset:
        """Add a frame that each run hands over."""
        asset: FrameAsset = self._add_asset(FrameAsset(name=name))
        return asset
