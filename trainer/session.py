"""The parts of a run between its settings and its result."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from schemas.comparison import Comparison
from schemas.errors import TrainingError
from schemas.lineage import TrainingData
from schemas.progress import Progress
from schemas.results import Finding, TrainResult
from schemas.train import Train
from trainer.batches import BatchPlan
from trainer.callbacks import (
    Checkpoints,
    Interrupted,
    StepSeed,
    StopEarly,
    Unfreeze,
    Watch,
    last_checkpoint,
)
from trainer.checks import check_curves, check_data, check_model
from trainer.curves import Curves, curves_of
from trainer.estimate import Estimate, estimate
from trainer.features import CachedTask, cached
from trainer.hardware import choose_hardware
from trainer.loop import Loop, arguments, greater_is_better
from trainer.methods import merged, prepare_method
from trainer.models import Loaded, quiet
from trainer.saving import save_json, writing
from trainer.tasks import Task, prepare_task
from trainer.tasks.classification import ClassificationTask
from trainer.tokens import Tokens

if TYPE_CHECKING:
    from transformers import TrainingArguments

Figures = Mapping[Literal["before", "after"], Mapping[str, float | None]]

SPLITS = ("train", "validation")


class Session:
    """One run: prepared, fitted, and then able to say what it did."""

    def __init__(
        self, config: Train, data: TrainingData, out: Path, *, seed: int, progress: Progress
    ) -> None:
        self.config, self.data, self.out = config, data, out
        self.seed, self.progress = seed, progress
        self.work = out.parent / f".{out.name}.work"
        self.hardware = choose_hardware(config)
        self.findings: list[Finding] = []
        self.leads = self.hardware.rank == 0
        self.trained_seconds = 0.0
        self.cached: CachedTask | None = None

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Keep libraries quiet; what matters is said through progress."""
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    def prepare(self, *, resume: bool) -> None:
        """Load, tokenize, check and describe, before anything takes long."""
        self._check_splits()
        with writing(self.work):
            self._open_work(resume)
            self.progress.say(f"hardware: {self.hardware.describe()}")
            self.task: Task = prepare_task(
                self.config,
                self.data.files,
                seed=self.seed,
                attention=self.hardware.attention,
            )
            self._say(check_model(self.task.loaded))
            self.tokens = self._tokenize()
        if not len(self.tokens["train"]):
            raise TrainingError(
                "the split train holds no text to learn from: every row is empty or null"
            )
        self._say(check_data(self.task, self.tokens, self.config))
        self.prepared = prepare_method(
            self.task.loaded.model,
            self.config,
            seed=self.seed,
            processes=self.hardware.processes,
        )
        self.estimate: Estimate = estimate(
            self.prepared.model, self.tokens["train"], self.config, self.hardware
        )
        self.progress.say(self.estimate.describe())
        if self.config.method == "frozen" and isinstance(self.task, ClassificationTask):
            self._cache_features(self.task)

    def _cache_features(self, task: ClassificationTask) -> None:
        with self.progress.stage("features"), writing(self.work):
            self.cached = cached(task, self.tokens, self.hardware.device)
        if self.cached is not None:
            self.task = self.cached
            self.progress.say("frozen: the backbone ran once, its features are kept")

    def _check_splits(self) -> None:
        if self.config.eval_strategy == "no" or self.data.files.get("validation"):
            return
        raise TrainingError(
            "the split validation holds no rows: give it a share in the recipe's split section, "
            "or set  eval_strategy: no  in train"
        )

    def _open_work(self, resume: bool) -> None:
        """Make the work folder; without `resume`, or after other settings, begin afresh."""
        key, note = self._key(), self.work / "run.json"
        same = note.is_file() and json.loads(note.read_text())["key"] == key
        self.checkpoint = last_checkpoint(self.work) if resume and same else None
        if not self.leads:
            return
        if self.checkpoint is None:
            if resume and note.is_file() and not same:
                self.progress.say("an interrupted run had other settings or data: starting afresh")
            shutil.rmtree(self.work, ignore_errors=True)
        else:
            self.progress.say(f"resuming at step {self.checkpoint.name.rpartition('-')[2]}")
        self.work.mkdir(parents=True, exist_ok=True)
        save_json({"key": key}, note)

    def _key(self) -> str:
        """Return the hash of what decides the weights: settings, seed, files, processes."""
        files = {
            split: [[path.name, path.stat().st_size] for path in paths]
            for split, paths in self.data.files.items()
        }
        parts = [
            self.config.model_dump(mode="json", exclude={"threads", "report_to"}),
            self.seed,
            files,
            self.data.lineage.version,
            self.data.lineage.formula_hash,
            self.hardware.processes,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _tokenize(self) -> dict[str, Tokens]:
        limits = (self.config.max_train_samples, self.config.max_eval_samples)
        tokens: dict[str, Tokens] = {}
        with self.progress.stage("tokenize", len(SPLITS)) as stage:
            for split, limit in zip(SPLITS, limits, strict=True):
                files = self.data.files.get(split, ())
                if files:
                    path = self.work / f"tokens-{split}-{self.hardware.rank}.arrow"
                    tokens[split] = self.task.read(files, path, limit)
                stage.advance(1, split)
        return tokens

    def steps(self) -> int:
        """Return the steps of the whole run."""
        if self.config.max_steps:
            return self.config.max_steps
        plan = BatchPlan(
            self.tokens["train"].lengths,
            size=self.config.batch_size,
            tokens=self.config.batch_tokens,
            order=self.config.train_sampling_strategy,
            world=self.hardware.processes,
        )
        every = math.ceil(len(plan) / self.config.gradient_accumulation_steps)
        return math.ceil(self.config.epochs * every)

    def fit(self) -> None:
        """Train, and keep the best model in memory."""
        checkpoints = Checkpoints(self.config.save_steps)
        steps = self.steps()
        with self.progress.stage("train", steps) as stage:
            callbacks = [
                StepSeed(self.seed, self.hardware.rank),
                Unfreeze(self.prepared),
                Watch(stage),
                checkpoints,
            ]
            if self.config.early_stopping_patience:
                greater = greater_is_better(self.config)
                callbacks.append(StopEarly(self.config, greater=greater))
            self.loop = Loop(
                self.task,
                self.prepared,
                self.tokens,
                config=self.config,
                args=self._arguments(steps),
                callbacks=callbacks,
            )
            self._run(checkpoints)
        self._check_stopped(checkpoints)

    def _arguments(self, steps: int) -> TrainingArguments:
        return arguments(
            self.config,
            self.hardware,
            self.work,
            seed=self.seed,
            steps=steps,
            evaluate="validation" in self.tokens and len(self.tokens["validation"]) > 0,
        )

    def _run(self, checkpoints: Checkpoints) -> None:
        began = time.monotonic()
        checkpoints.listen()
        try:
            with writing(self.work):
                resumed = str(self.checkpoint) if self.checkpoint else None
                self.loop.train(resume_from_checkpoint=resumed)
        finally:
            checkpoints.ignore()
            self.trained_seconds = time.monotonic() - began

    def _check_stopped(self, checkpoints: Checkpoints) -> None:
        if checkpoints.asked_to_stop:
            raise Interrupted(
                f"stopped by SIGTERM at step {self.loop.state.global_step} of "
                f"{self.loop.state.max_steps}; a checkpoint was saved: train again to resume"
            )
        self._say(check_curves(self.loop.state.log_history, self.config))
        broken = any(finding.name == "not a number" for finding in self.findings)
        if broken and self.loop.state.best_model_checkpoint is None:
            raise TrainingError(
                f"the loss is not a number at step {self.loop.state.global_step} and no evaluation "
                "came before it: lower learning_rate, or raise warmup_steps"
            )

    def trained(self) -> Loaded:
        """Return the trained model, adapters merged, on the CPU in fp32."""
        import torch

        assert self.loop.model is not None
        if self.cached is not None:
            self.cached.leave()
        model = merged(self.loop.model)
        torch.nn.Module.to(model, device="cpu", dtype=torch.float32)
        torch.nn.Module.eval(model)
        model.config.use_cache = True
        return replace(self.task.loaded, model=model, untrained_head=())

    def curves(self) -> Curves:
        """Return what was measured at every step."""
        return curves_of(self.loop.state.log_history)

    def _say(self, findings: list[Finding]) -> None:
        self.findings += findings
        for finding in findings:
            self.progress.say(f"{finding.level}: {finding.message}")

    def result(
        self,
        out: Path,
        metrics: Mapping[Literal["before", "after"], Mapping[str, float | None]],
        began: float,
    ) -> TrainResult:
        """Return what the run did."""
        state = self.loop.state
        rate = self.loop.tokens_seen / self.trained_seconds if self.trained_seconds else 0.0
        details: dict[str, JsonValue] = {
            "best_step": state.best_global_step,
            "flos": state.total_flos,
            **self.estimate.to_json(),
        }
        return TrainResult(
            model=out,
            task=self.config.task,
            metrics={str(side): dict(values) for side, values in metrics.items()},
            report=out / "compare.json",
            seconds=time.monotonic() - began,
            steps=state.global_step,
            tokens_per_second=rate,
            findings=tuple(self.findings),
            hardware=self.hardware.to_json(),
            untrained_head=self.task.loaded.untrained_head,
            details=details,
        )

    def write_card(self, result: TrainResult, comparison: Comparison, folder: Path) -> None:
        """Write the model card, and how the model wants to be asked."""
        from trainer.card import CardFacts, write_card
        from trainer.usage import write_usage

        revision = self.task.loaded.revision
        lineage = self.data.lineage
        facts = CardFacts(self.config, self.seed, lineage, result, comparison, revision)
        write_card(folder, facts)
        template = getattr(self.task, "template", None)
        write_usage(folder, self.config.task, max_length=self.task.length, template=template)

    def clean(self) -> None:
        """Remove checkpoints and tokens of a run that is done."""
        shutil.rmtree(self.work, ignore_errors=True)
