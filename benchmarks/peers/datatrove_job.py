"""datatrove: a local executor with two workers and one filter a question."""

import re

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from job import NIKE, PRODUCT, THRESHOLD, arguments


def row(_, document):
    return {"id": int(document.id), "text": document.text}


if __name__ == "__main__":
    source, out, score = arguments()
    nike, product = re.compile(NIKE), re.compile(PRODUCT)
    LocalPipelineExecutor(
        pipeline=[
            ParquetReader(str(source), text_key="text", id_key="id"),
            LambdaFilter(lambda doc: doc.text is not None and bool(nike.search(doc.text))),
            LambdaFilter(lambda doc: bool(product.search(doc.text))),
            LambdaFilter(lambda doc: score(doc.text) > THRESHOLD),
            ParquetWriter(str(out), output_filename="${rank}.parquet", adapter=row),
        ],
        tasks=2,
        workers=1,
        logging_dir=str(out) + "-logs",
        skip_completed=False,
    ).run()
