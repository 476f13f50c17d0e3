"""What the machine offers, chosen by itself and shown: device, threads, precision, attention."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train

WIDE: Final = 256
"""Hidden size from which bf16 pays on a CPU that has it (384: 1.6 times the tokens a second)."""
TINY: Final = 64
"""Hidden size up to which one thread is as fast as many; below WIDE four are."""
QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""What a container may use of the machine's cores."""

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class Hardware:
    """The device and how it is used."""

    device: Literal["cpu", "cuda", "mps"]
    name: str
    threads: int
    precision: Precision
    attention: str
    compiled: bool
    processes: int
    rank: int

    def describe(self) -> str:
        """Return one line for the user."""
        shared = f", {self.processes} processes" if self.processes > 1 else ""
        compiled = ", compiled" if self.compiled else ""
        return (
            f"{self.name} ({self.device}), {self.threads} threads, {self.precision}, "
            f"attention {self.attention}{compiled}{shared}"
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields by name."""
        return dict(asdict(self))


def choose_hardware(config: Train) -> Hardware:
    """Choose what suits this machine, unless the recipe says otherwise; set the threads."""
    import torch

    device: Literal["cpu", "cuda", "mps"] = "cpu"
    if torch.cuda.is_available():
        device = "cuda"
    elif torch.backends.mps.is_available():
        device = "mps"
    threads = (
        config.threads or count_cores() // max(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1) or 1
    )
    torch.set_num_threads(threads)
    return Hardware(
        device=device,
        name=_name_device(device),
        threads=threads,
        precision=_choose_precision(device, config.bf16),
        attention="sdpa" if config.attn_implementation == "auto" else config.attn_implementation,
        compiled=config.torch_compile,
        processes=int(os.environ.get("WORLD_SIZE", "1")),
        rank=int(os.environ.get("RANK", "0")),
    )


def suit_to_width(hardware: Hardware, config: Train, width: int) -> Hardware:
    """Return the hardware as a model of this width is trained on it.

    On a CPU narrow models lose in casts what bf16 gains in products, and a frozen encoder has
    next to no products left. Threads of a narrow model wait for each other longer than they work.
    """
    import torch

    if hardware.device != "cpu":
        return hardware
    if config.threads is None and 0 < width < WIDE:
        hardware = replace(hardware, threads=min(hardware.threads, 1 if width <= TINY else 4))
        torch.set_num_threads(hardware.threads)
    pays = config.bf16 != "auto" or (width >= WIDE and config.method != "frozen")
    return hardware if pays else replace(hardware, precision="fp32")


def wait_for_all(hardware: Hardware) -> None:
    """Wait until every process has come here."""
    if hardware.processes > 1:
        from accelerate import PartialState  # type: ignore[import-untyped, unused-ignore]

        PartialState(cpu=hardware.device == "cpu").wait_for_everyone()


def count_cores(quota: Path = QUOTA) -> int:
    """Return the cores this process may use: no more than its container or OMP_NUM_THREADS says."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [cores or 1]
    if quota.is_file():  # microseconds of work, and the period they are for; or "max"
        work, _, period = quota.read_text().partition(" ")
        limits += [math.ceil(int(work) / int(period))] if work.isdigit() else []
    asked = os.environ.get("OMP_NUM_THREADS", "")
    limits += [int(asked)] if asked.isdigit() and int(asked) else []
    return min(limits)


def _name_device(device: str) -> str:
    import torch

    if device == "cuda":
        return str(torch.cuda.get_device_name())
    info = Path("/proc/cpuinfo")
    if device == "cpu" and info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "Apple GPU" if device == "mps" else "CPU"


def cpu_has_bf16() -> bool:
    """Say whether the CPU multiplies bf16 in hardware; without, autocast is many times slower."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(errors="replace") if info.is_file() else ""
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _choose_precision(device: str, asked: bool | str) -> Precision:
    import torch

    on_cuda = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    can = {"cuda": on_cuda, "cpu": cpu_has_bf16()}
    if asked is True and not can.get(device, False):
        raise TrainingError(f"train.bf16: this {device} has no bf16 arithmetic: use  bf16: auto")
    if asked == "auto":
        return "bf16" if can.get(device, False) else "fp32"
    return "bf16" if asked else "fp32"
