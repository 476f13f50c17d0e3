"""Hugging Face datasets: one batched filter over all cores."""

import re
import tempfile

from datasets import load_dataset
from job import NIKE, PRODUCT, THRESHOLD, arguments

nike, product = re.compile(NIKE), re.compile(PRODUCT)


def wanted(batch, score):
    return [
        text is not None
        and bool(nike.search(text))
        and bool(product.search(text))
        and score(text) > THRESHOLD
        for text in batch["text"]
    ]


if __name__ == "__main__":
    source, out, score = arguments()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        files = [str(file) for file in sorted(source.glob("*.parquet"))]
        rows = load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
        kept = rows.filter(lambda batch: wanted(batch, score), batched=True)
        kept.to_parquet(str(out / "kept.parquet"))
