"""How many threads a training step on a CPU is worth, by the width of the model.

    python benchmarks/threads.py [--widths 32 64 128 256 384] [--threads 1 2 4] [--rounds 5]

A BERT of random weights takes steps on 16 rows of 32 tokens. Numbers of threads take turns, round
by round, and figures are ratios of medians to one thread: wall seconds on a busy machine say little
by themselves. More threads than cores stand for cores that others keep busy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import torch
from transformers import BertConfig, BertForMaskedLM

ROWS, TOKENS, SECONDS = 16, 32, 0.4
"""The batch, and about how long the steps of one measurement take."""


def make_model(width: int) -> BertForMaskedLM:
    """Return a model of two layers and random weights."""
    torch.manual_seed(0)
    heads = max(width // 32, 1)
    config = BertConfig(
        vocab_size=2000,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=TOKENS,
    )
    return BertForMaskedLM(config)


def take_steps(
    model: BertForMaskedLM, optimizer: torch.optim.Optimizer, steps: int
) -> tuple[float, float]:
    """Train, and return the wall and the CPU seconds of a step."""
    ids = torch.randint(2000, (ROWS, TOKENS))
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


def measure_width(width: int, threads: list[int], rounds: int) -> dict[int, tuple[float, float]]:
    """Return the median wall and CPU seconds of a step by the number of threads."""
    model = make_model(width)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    torch.set_num_threads(1)
    steps = max(int(SECONDS / take_steps(model, optimizer, 3)[0]), 2)
    found: dict[int, list[tuple[float, float]]] = {n: [] for n in threads}
    for _ in range(rounds):
        for n in threads:
            torch.set_num_threads(n)
            take_steps(model, optimizer, 1)
            found[n].append(take_steps(model, optimizer, steps))
    return {
        n: (statistics.median(wall for wall, _ in one), statistics.median(cpu for _, cpu in one))
        for n, one in found.items()
    }


def main() -> None:
    """Measure every width and print ratios to one thread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 256, 384])
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    cores, (load, *_) = len(os.sched_getaffinity(0)), os.getloadavg()
    print(f"{cores} cores, {load:.1f} processes waiting; ratios to one thread, wall / CPU seconds")
    print(f"{'width':>6}{'ms a step':>12}" + "".join(f"{n:>10} threads" for n in asked.threads))
    for width in asked.widths:
        found = measure_width(width, [1, *asked.threads], asked.rounds)
        wall, cpu = found[1]
        told = (f"{found[n][0] / wall:>9.2f} / {found[n][1] / cpu:.2f}" for n in asked.threads)
        print(f"{width:>6}{1000 * wall:>12.1f}" + "".join(f"{one:>18}" for one in told), flush=True)


if __name__ == "__main__":
    main()
