"""Texts as vectors: the mean of a model's last hidden state, to memory or to Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from siftset.schemas.errors import ModelError, OutputError
from siftset.trainer.inference.protocols import Encoder
from siftset.trainer.models.loading import load_tokenizer, locate_model, quiet_transformers

if TYPE_CHECKING:
    from siftset.trainer.inference.adapters import EvaluationModel

ROWS_AT_ONCE = 1024
"""Rows embedded and written together."""


def load_encoder(
    name: str, *, revision: str | None = None, max_length: int = 512
) -> EvaluationModel:
    """Load a model without its head: a folder, an embedded name or a hub name.

    Raises ModelError for a model without safetensors or of an unknown kind.
    """
    from transformers import AutoModel

    from siftset.trainer.inference.adapters import EvaluationModel

    place = locate_model(name, revision)
    try:
        with quiet_transformers():
            tokenizer = load_tokenizer(place)
            model = AutoModel.from_pretrained(
                place.path,
                revision=place.revision,
                local_files_only=place.local,
                trust_remote_code=False,
                use_safetensors=True,
            )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"the model '{name}' cannot be loaded: {reason}") from error
    return EvaluationModel(model, tokenizer, max_length=max_length)


def write_embeddings(
    model: Encoder, batches: Iterable[pl.DataFrame], target: Path, *, column: str = "text"
) -> int:
    """Write every column but the text, and embedding (list of float32), to Parquet.

    Null texts have a null embedding. The file appears whole, or not at all; memory does not grow
    with the rows. Returns the number of rows.
    """
    part = target.with_name(f".{target.name}.part")
    writer: pq.ParquetWriter | None = None
    n = 0
    try:
        for batch in batches:
            for rows in batch.iter_slices(ROWS_AT_ONCE):
                present = rows[column].is_not_null()
                texts = rows[column].drop_nulls().to_list()
                vectors = iter(model.embed_texts(texts).astype("float32"))
                values = [next(vectors) if here else None for here in present]
                columns = {c: rows[c].to_arrow() for c in rows.columns if c != column}
                embedding = pa.array(values, pa.list_(pa.float32()))
                table = pa.table({**columns, "embedding": embedding})
                if writer is None:
                    writer = pq.ParquetWriter(str(part), table.schema, compression="zstd")
                writer.write_table(table)
                n += rows.height
        if writer is None:
            raise OutputError(f"{target}: there are no rows to embed")
        writer.close()
        os.replace(part, target)  # noqa: PTH105
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return n
