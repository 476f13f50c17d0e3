"""What happens between steps: seeds, progress, stopping early, checkpoints on signals."""

from __future__ import annotations

import math
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from siftset.schemas.progress import Stage
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.methods import Prepared
from siftset.trainer.training.arguments import greater_is_better
from siftset.trainer.training.work_folder import COMPLETE

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from transformers import TrainerControl, TrainerState, TrainingArguments

from transformers import TrainerCallback  # noqa: TID253  this module is itself loaded late


class StepSeed(TrainerCallback):
    """Seed every step by its number, so that dropout after a resume is the dropout before it."""

    def __init__(self, seed: int, rank: int) -> None:
        self.seed, self.rank = seed, rank

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Seed torch for the step that begins."""
        import torch

        step = state.global_step
        torch.manual_seed((self.seed * 1_000_003 + step) * 1_009 + self.rank)


class Unfreeze(TrainerCallback):
    """Let one more layer train every epoch."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Open the layers of the epoch that begins."""
        self.prepared.unfreeze_for(math.floor((state.epoch or 0.0) + 1e-6))


class ShowProgress(TrainerCallback):
    """Show the progress and the time left; stop at once where the loss is no number."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._began = 0.0
        self._spent = 0.0
        self._first = 0
        self._shown = 0
        self._loss = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Count from here; steps of an earlier run are done."""
        self._spent, self._first = 0.0, state.global_step
        self._show_step(state)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start the clock of the step; evaluations between steps are not on it."""
        self._began = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Show the step."""
        self._spent += time.monotonic() - self._began
        self._show_step(state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Keep the loss to show it; stop if it is not finite."""
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        self._loss = f"loss {loss:.4g}"
        if not math.isfinite(loss):
            control.should_training_stop = True

    def _show_step(self, state: TrainerState) -> None:
        done = state.global_step - self._first
        note = self._loss
        if done > 0:
            left = (state.max_steps - state.global_step) * self._spent / done
            note = f"{note}, {format_duration(left)} left".lstrip(", ")
        self.stage.advance(state.global_step - self._shown, note)
        self._shown = state.global_step


def format_duration(seconds: float) -> str:
    """Return a duration as people read it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes}:{rest:02} min"


class StopEarly(TrainerCallback):
    """Stop when no evaluation was better for a while; decided from the log, so resumable."""

    def __init__(self, config: Train) -> None:
        self.named = config.metric_for_best_model
        self.metric = f"eval_{self.named}"
        self.patience = config.early_stopping_patience or 0
        self.threshold = config.early_stopping_threshold
        self.sign = 1.0 if greater_is_better(config) else -1.0
        self.reason = ""
        """Why training was stopped, once it was."""

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Count the evaluations since the best one."""
        measured = [log for log in state.log_history if self.metric in log and log["step"]]
        values = [self.sign * log[self.metric] for log in measured]
        best, since, at = -math.inf, 0, 0
        for log, value in zip(measured, values, strict=True):
            better = value > best + self.threshold if math.isfinite(best) else True
            best, since, at = (value, 0, int(log["step"])) if better else (best, since + 1, at)
        if since >= self.patience:
            control.should_training_stop = True
            more = f" by more than {self.threshold:g}" if self.threshold else ""
            self.reason = (
                f"early stopping at step {state.global_step} of {state.max_steps}: {self.named} of "
                f"validation was best at step {at} ({self.sign * best:.4g}) and got no better"
                f"{more} in {since} evaluations"
            )


STOPS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end a training with a checkpoint; not every system has them all."""


class Checkpoints(TrainerCallback):
    """Save where asked and when a signal stops the run; mark checkpoints that are complete."""

    def __init__(self, save_steps: int | None) -> None:
        self.save_steps = save_steps
        self._signal = 0
        self._together: ProcessGroup | None = None
        self._before: dict[signal.Signals, signal.Handlers | object] = {}

    def listen(self) -> None:
        """Take a signal as a wish to save and stop (in the main thread only)."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.Signals[name] for name in STOPS if hasattr(signal, name)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it for SIGHUP
                self._before[number] = signal.signal(number, self._note_signal)

    def ignore(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            if handler is not None:
                signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _note_signal(self, number: int, _: FrameType | None) -> None:
        # A launcher passes Ctrl-C on to processes that may have got it from the terminal already.
        is_second = self._signal == number == signal.SIGINT
        if is_second and self._together is None:
            raise KeyboardInterrupt
        self._signal = number

    def ask_for_stop(self) -> str:
        """Return the signal that a process got, empty for none: all ask at once and stop together.

        One that stopped alone would wait in its checkpoint, and the others in their next step.
        """
        if self._together is not None:
            import torch

            asked = torch.tensor(self._signal)
            torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX, self._together)
            self._signal = int(asked)
        return signal.Signals(self._signal).name if self._signal else ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Open a way to ask each other that does not wait for a GPU."""
        if args.world_size > 1:
            import torch

            self._together = torch.distributed.new_group(backend="gloo")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Ask for a checkpoint when one is due."""
        if self.ask_for_stop():
            control.should_save = control.should_training_stop = True
        elif self.save_steps and state.global_step % self.save_steps == 0:
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Mark the checkpoint as complete, once every process has written its part of it."""
        import torch

        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if args.should_save and args.output_dir:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / COMPLETE).touch()


def make_callbacks(config: Train, out: Path, *, leads: bool) -> list[TrainerCallback]:
    """Return what the recipe asks for: stopping early, TensorBoard's events."""
    found: list[TrainerCallback] = []
    if config.early_stopping_patience:
        found.append(StopEarly(config))
    if "tensorboard" in config.report_to and leads:
        found.append(make_event_logs(out))
    return found


def make_event_logs(out: Path) -> TrainerCallback:
    """Write TensorBoard's events into `logs/<model>` beside the models, where they stay.

    The Trainer would write them among the checkpoints, which go when a run is done.
    """
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations.integration_utils import TensorBoardCallback

    folder = out.parent / "logs" / out.name
    writer = SummaryWriter(log_dir=str(folder))
    return TensorBoardCallback(writer)  # type: ignore[no-untyped-call]
