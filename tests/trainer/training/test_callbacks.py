from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

from siftset.trainer.training import callbacks
from siftset.trainer.training.callbacks import STOPS, Checkpoints, ShowProgress, format_duration


class Shown:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def advance(self, done: int, note: str = "") -> None:
        self.notes.append(note)


@pytest.fixture
def now(monkeypatch):
    moment = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: moment.seconds)
    return moment


def test_time_left_counts_steps_and_no_evaluation(now):
    shown = Shown()
    watch, state = ShowProgress(shown), SimpleNamespace(global_step=0, max_steps=10)
    watch.on_train_begin(None, state, None)
    now.seconds += 3600
    for step in (1, 2):
        watch.on_step_begin(None, state, None)
        now.seconds += 5
        state.global_step = step
        watch.on_step_end(None, state, None)
        now.seconds += 1800
    assert shown.notes == ["", "0:45 min left", "0:40 min left"]


def test_a_resumed_run_counts_its_own_steps(now):
    shown = Shown()
    watch, state = ShowProgress(shown), SimpleNamespace(global_step=6, max_steps=10)
    watch.on_train_begin(None, state, None)
    watch.on_step_begin(None, state, None)
    now.seconds += 20
    state.global_step = 7
    watch.on_step_end(None, state, None)
    assert shown.notes[-1] == "1:00 min left"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00 min"), (61, "1:01 min"), (3 * 3600 + 59, "3 h 00 min")]
)
def test_clock(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("name", STOPS)
def test_a_signal_asks_for_a_checkpoint_and_an_end(name):
    number, checkpoints = signal.Signals[name], Checkpoints(None)
    control = SimpleNamespace(should_save=False, should_training_stop=False)
    # what runs the tests may ignore a signal, as nohup does, and then so does a training
    inherited = signal.signal(number, signal.SIG_DFL)
    checkpoints.listen()
    try:
        assert checkpoints.ask_for_stop() == ""
        signal.raise_signal(number)
        checkpoints.on_step_end(None, SimpleNamespace(global_step=1), control)
    finally:
        checkpoints.ignore()
    assert control.should_save
    assert control.should_training_stop
    assert checkpoints.ask_for_stop() == name
    assert signal.signal(number, inherited) == signal.SIG_DFL


def test_a_second_ctrl_c_ends_at_once():
    checkpoints = Checkpoints(None)
    checkpoints.listen()
    try:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        checkpoints.ignore()
