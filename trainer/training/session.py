"""The parts of a run between its settings and its result."""

from __future__ import annotations

import contextlib
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from siftset.schemas.errors import Interrupted, StoppedByHand, TrainingError
from siftset.schemas.plurals import format_count
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.comparison import Comparison
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.results.summary import Finding, TrainResult
from siftset.schemas.results.trials import Trials
from siftset.schemas.tasks import TASKS
from siftset.trainer.data.batches import steps_of
from siftset.trainer.data.tokens import SplitTokens
from siftset.trainer.models.hardware import choose_hardware, suit_to_width, wait_for_all
from siftset.trainer.models.loading import Loaded, quiet_transformers
from siftset.trainer.models.methods import merge_adapters, prepare_method
from siftset.trainer.models.packing import use_padded
from siftset.trainer.models.saving import ADAPTER, save_adapter, writing_errors
from siftset.trainer.tasks import Task, prepare_task
from siftset.trainer.tasks.base import choose_packing
from siftset.trainer.tasks.classification import ClassificationTask
from siftset.trainer.tasks.replay import write_replay
from siftset.trainer.tasks.token_cache import read_once
from siftset.trainer.training.arguments import make_arguments
from siftset.trainer.training.callbacks import (
    Checkpoints,
    ShowProgress,
    StepSeed,
    StopEarly,
    Unfreeze,
    make_callbacks,
)
from siftset.trainer.training.chat_checks import check_chats, save_with_chats
from siftset.trainer.training.checkpoints import find_checkpoint, open_work, run_key
from siftset.trainer.training.checks import (
    check_curves,
    check_data,
    check_metric,
    check_model,
    check_reporters,
    check_splits,
)
from siftset.trainer.training.cost_estimate import CostEstimate, estimate_cost
from siftset.trainer.training.curves import Curves, curves_of
from siftset.trainer.training.frozen_features import CachedTask, cache_features
from siftset.trainer.training.fsdp import check_sharded
from siftset.trainer.training.head_init import fit_head, fit_through, wants_fitted_head
from siftset.trainer.training.schedules import check_settings
from siftset.trainer.training.trainer import Loop
from siftset.trainer.training.work_folder import last_checkpoint, work_folder

SPLITS = ("train", "validation")


class Session:
    """One run: prepared, fitted, and then able to say what it did."""

    def __init__(
        self, config: Train, data: TrainingData, out: Path, *, seed: int, progress: Progress
    ) -> None:
        self.config, self.data, self.out = config, data, out
        self.seed, self.progress = seed, progress
        self.work, self.hardware = work_folder(out), choose_hardware(config)
        self.findings: list[Finding] = []
        self.trials = Trials()
        self.leads, self.trained_seconds = self.hardware.rank == 0, 0.0
        self.cached: CachedTask | None = None
        self.features: CachedTask | None = None
        """What the backbone said of the training rows, where it was asked before training."""

    @contextlib.contextmanager
    def quiet_libraries(self) -> Iterator[None]:
        """Keep libraries quiet; what matters is said through progress."""
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    def prepare(self, *, resume: bool, check: Callable[[Session], None] | None = None) -> None:
        """Load, tokenize, check and describe, before anything takes long.

        `check` looks at the run once its rows are read, for what else it is needed for.
        """
        check_sharded(self.config)
        self.add_findings(check_splits(self.data, self.config))
        check_reporters(self.config)
        check_settings(self.config.lr_scheduler_type, self.config.lr_scheduler_kwargs)
        with writing_errors(self.work):
            # find where to go on, or begin afresh; other processes wait for the first one
            self.key = run_key(self.config, self.data, self.seed, self.hardware.processes)
            self.checkpoint = (
                find_checkpoint(self.work, self.key, self.progress) if resume else None
            )
            if self.leads:
                open_work(self.work, self.key, keep=self.checkpoint is not None)
            wait_for_all(self.hardware)
            self._load_task()
        if not len(self.tokens["train"]):
            raise TrainingError(
                "the split train holds no text to learn from: every row is empty or null"
            )
        self.add_findings(check_data(self.task, self.tokens, self.config))
        self.add_findings(check_chats(self.tokens, self.task.length))
        check_metric(self.task, self.config)
        if check is not None:
            check(self)
        self._choose_method()

    def _load_task(self) -> None:
        auto, cores = self.config.attn_implementation == "auto", self.hardware.threads
        self.task: Task = prepare_task(
            self.config,
            self.data,
            seed=self.seed,
            attention=None if auto else self.hardware.attention,
        )
        shape = self.task.loaded.model.config
        width = int(getattr(shape, "hidden_size", 0) or 0)
        self.hardware = replace(
            suit_to_width(self.hardware, self.config, width),
            attention=str(shape._attn_implementation or self.hardware.attention),
        )
        if self.hardware.threads < cores:
            self.progress.say(
                f"threads: {self.hardware.threads} of {cores}, as the model is only {width} wide; "
                "set train.threads to use more"
            )
        self.progress.say(f"hardware: {self.hardware.describe()}")
        self.add_findings(check_model(self.task.loaded, self.config))
        limits = (self.config.max_train_samples, self.config.max_eval_samples)
        tokens: dict[str, SplitTokens] = {}
        with self.progress.stage("tokenize", len(SPLITS)) as stage:
            for split, limit in zip(SPLITS, limits, strict=True):
                files = self._files_of(split)
                path = self.work / f"tokens-{split}.arrow"
                if files:
                    tokens[split] = read_once(
                        self.task, files, path, limit, self.hardware, held_out=split != "train"
                    )
                stage.advance(1, split)
        self.tokens = tokens

    def _choose_method(self) -> None:
        model, processes = self.task.loaded.model, self.hardware.processes
        if self.config.method != "frozen" and self._starts_fitted():
            with self.progress.stage("head"), writing_errors(self.work):
                passes, self.features = fit_through(
                    self.task, self.tokens["train"], self.hardware, self.seed
                )
                self._say_fitted(passes)
        self.prepared = prepare_method(model, self.config, seed=self.seed, processes=processes)
        for line in choose_packing(self.task, self.prepared.model, self.config, self.hardware):
            self.progress.say(line)
        self.estimate: CostEstimate = estimate_cost(
            self.prepared.model, self.tokens["train"], self.config, self.hardware
        )
        self.progress.say(self.estimate.describe())
        if self.config.method == "frozen" and isinstance(self.task, ClassificationTask):
            with self.progress.stage("features"), writing_errors(self.work):
                self.cached = cache_features(self.task, self.tokens, self.hardware.device)
                self.features = self.cached
            if self.cached is not None:
                self.task = self.cached
                self.progress.say("frozen: the backbone ran once, its features are kept")
                if self._starts_fitted():
                    self._say_fitted(fit_head(self.cached, self.tokens["train"], seed=self.seed))

    def _starts_fitted(self) -> bool:
        """Say whether a head is fitted first; a run that goes on has the one of its checkpoint."""
        return self.checkpoint is None and wants_fitted_head(self.config, self.task, self.tokens)

    def _say_fitted(self, passes: int) -> None:
        if passes:
            self.progress.say(f"the new head was fitted on frozen features in {passes} passes")

    def _files_of(self, split: str) -> tuple[Path, ...]:
        """Return the files of a split, general text to replay among those of train."""
        files, replay = self.data.files.get(split, ()), self.config.replay
        if split != "train" or replay is None or not files:
            return files
        has_answers = any(getattr(self.task, name, None) for name in ("template", "chat"))
        if TASKS[self.config.task].labelled or has_answers:
            raise TrainingError(
                "train.replay mixes in plain text: it fits task mlm, and causal on plain text"
            )
        path, rows = write_replay(replay, files, self.work, self.seed)
        self.progress.say(f"replay: {format_count(rows, 'row')} of general text from {replay.path}")
        return (*files, path)

    def fit(self) -> None:
        """Train, and keep the best model in memory."""
        checkpoints = Checkpoints(self.config.save_steps)
        steps = steps_of(self.config, self.tokens["train"].lengths, self.hardware.processes)
        args = make_arguments(
            self.config.model_copy(update={"seed": self.seed % 2**32}),
            self.hardware,
            self.work,
            steps=steps,
            evaluate=len(self.tokens.get("validation", ())) > 0,
        )
        with self.progress.stage("train", steps) as stage:
            callbacks = [StepSeed(self.seed, self.hardware.rank), Unfreeze(self.prepared)]
            callbacks += [ShowProgress(stage), checkpoints]
            callbacks += make_callbacks(self.config, self.out, leads=self.leads)
            self.callbacks = callbacks
            self.loop = Loop(
                self.task,
                self.prepared,
                self.tokens,
                config=self.config,
                args=args,
                callbacks=callbacks,
            )
            began = time.monotonic()
            checkpoints.listen()
            try:
                with writing_errors(self.work):
                    resumed = str(self.checkpoint) if self.checkpoint else None
                    self.loop.train(resume_from_checkpoint=resumed)
            finally:
                checkpoints.ignore()
                self.trained_seconds = time.monotonic() - began
        self._check_stopped(checkpoints)

    def _check_stopped(self, checkpoints: Checkpoints) -> None:
        state = self.loop.state
        stopped_by = checkpoints.ask_for_stop()
        if stopped_by:
            kind = StoppedByHand if stopped_by == "SIGINT" else Interrupted
            raise kind(
                f"stopped by {stopped_by} at step {state.global_step} of {state.max_steps}; a "
                "checkpoint was saved: train again to resume"
            )
        shapes = check_curves(state.log_history, self.config)
        if state.best_model_checkpoint is None and any(s.name == "not a number" for s in shapes):
            raise TrainingError(
                f"the loss is not a number at step {state.global_step} and no evaluation came "
                "before it: lower train.learning_rate, or raise train.warmup_steps"
            )
        self.add_findings(shapes)
        for stop in self.callbacks:
            if isinstance(stop, StopEarly) and stop.reason:
                step = float(state.global_step)
                self.add_findings([Finding("early stopping", "note", stop.reason, step)])

    def take_trained(self) -> Loaded:
        """Return the trained model, adapters merged, on the CPU in fp32, to the first process."""
        import torch

        whole = self.loop.gather_model()
        if self.cached is not None:
            self.cached.swap_out()
        if not self.leads:
            return self.task.loaded
        save_adapter(whole, self.work / ADAPTER)
        model = merge_adapters(whole)
        use_padded(model, self.hardware.attention)
        torch.nn.Module.to(model, device="cpu", dtype=torch.float32)
        torch.nn.Module.eval(model)
        model.config.use_cache = True
        trained = replace(self.task.loaded, model=model, untrained_head=())
        save_with_chats(self.task, self.tokens, trained)
        return trained

    def curves(self) -> Curves:
        """Return what was measured at every step."""
        return curves_of(self.loop.state.log_history)

    def add_findings(self, findings: list[Finding]) -> None:
        """Keep findings and say them."""
        self.findings += findings
        for finding in findings:
            self.progress.say(f"{finding.level}: {finding.message}")

    def make_result(
        self,
        out: Path,
        metrics: Mapping[Literal["before", "after"], Mapping[str, float | None]],
        began: float,
    ) -> TrainResult:
        """Return what the run did."""
        state = self.loop.state
        seen = self.loop.tokens_seen * self.hardware.processes
        details: dict[str, JsonValue] = {
            "best_step": state.best_global_step,
            "flos": state.total_flos,
            **self.estimate.to_json(),
            **self.trials.details(),
        }
        return TrainResult(
            model=out,
            task=self.config.task,
            metrics={str(side): dict(values) for side, values in metrics.items()},
            report=out / "compare.json",
            seconds=time.monotonic() - began,
            steps=state.global_step,
            tokens_per_second=seen / max(self.trained_seconds, 1e-9),
            findings=tuple(self.findings),
            hardware=self.hardware.to_json(),
            untrained_head=self.task.loaded.untrained_head,
            details=details,
        )

    def write_card(self, result: TrainResult, comparison: Comparison, folder: Path) -> None:
        """Write the model card."""
        from siftset.trainer.training.model_card import CardFacts, write_card

        revision = self.task.loaded.revision
        lineage = self.data.lineage
        facts = CardFacts(self.config, self.seed, lineage, result, comparison, revision)
        write_card(folder, facts)

    def measure_files(self, files: Sequence[Path]) -> dict[str, float]:
        """Return the figures of the model as it is on rows that it did not see."""
        tokens = self.task.read_split(files, self.work / "tokens-measured.arrow", None)
        if self.cached is not None:
            self.cached.compute_features(tokens, self.hardware.device)
        return self.task.compute_metrics(self.loop.measure_split(tokens))

    def remove_failed(self) -> None:
        """Remove what a run that failed left, unless it can go on from a checkpoint."""
        if self.leads and last_checkpoint(self.work) is None:
            self.remove_work()

    def remove_work(self) -> None:
        """Remove checkpoints and tokens of a run that is done."""
        shutil.rmtree(self.work, ignore_errors=True)
