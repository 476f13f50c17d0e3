from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from siftset.schemas.errors import Interrupted, StoppedByHand
from siftset.schemas.recipe.train import Train
from siftset.trainer.training.callbacks import ShowProgress

ROOT = Path(__file__).parents[3]

SCRIPT = """
import sys
from pathlib import Path
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.schemas.progress import Silent
from siftset.schemas.errors import Interrupted, StoppedByHand
from siftset.schemas.recipe.train import Train
from siftset.trainer.training.session import Session
import torch
torch.set_num_threads(1)
model, train, validation, out, slow, config = sys.argv[1:]
data = TrainingData(
    {"train": (Path(train),), "validation": (Path(validation),)},
    Lineage("tests", "hash", "set", 1, "run", "keep", "formula"),
)
session = Session(
    Train.model_validate_json(config), data, Path(out), seed=5, progress=Silent()
)
with session.quiet_libraries():
    session.prepare(resume=True)
    import time
    from siftset.trainer.training.callbacks import ShowProgress
    shown = ShowProgress.on_step_end
    def slowly(self, args, state, control, **more):
        print("step", state.global_step, flush=True)
        time.sleep(float(slow))
        shown(self, args, state, control, **more)
    ShowProgress.on_step_end = slowly
    session.fit()
"""


@pytest.fixture
def here(small_set, tmp_path):
    """Train in this process, from a checkpoint where there is one; returns the session."""

    def train(out, config):
        from siftset.schemas.progress import Silent
        from siftset.trainer.training.session import Session

        session = Session(config, small_set, tmp_path / out, seed=5, progress=Silent())
        with session.quiet_libraries():
            session.prepare(resume=True)
            session.fit()
        session.take_trained().model.save_pretrained(tmp_path / out)
        return session

    return train


@pytest.fixture
def run(tiny_bert, small_set, tmp_path):
    (train,), (validation,) = small_set.files["train"], small_set.files["validation"]

    def start(out, config, slow):
        command = [sys.executable, "-c", SCRIPT, str(tiny_bert), str(train), str(validation)]
        return subprocess.Popen(
            [*command, str(tmp_path / out), str(slow), config.model_dump_json()],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(process, line):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            read = process.stdout.readline()
            if read.strip() == line:
                return
            if not read:
                raise AssertionError(process.stderr.read())
        raise AssertionError(f"{line} was not reached")

    return start, wait_for


CONFIGS = {
    "mlm": {"task": "mlm", "line_by_line": True},
    "classification": {"task": "classification", "gradient_accumulation_steps": 2},
    "lora": {"task": "classification", "method": {"lora": {"rank": 4, "dropout": 0.1}}},
    "gradual": {
        "task": "classification",
        "method": {"last_layers": 2, "gradual": True, "layer_decay": 0.8},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_killed_in_the_second_epoch_then_resumed_is_bit_equal(name, run, here, tiny_bert, tmp_path):
    start, wait_for = run
    config = Train.model_validate(
        CONFIGS[name]
        | {
            "model": str(tiny_bert),
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 1e-3,
            "save_steps": 2,
            "warmup_steps": 3,
            "lr_scheduler_type": "cosine",
        }
    )
    broken = start("broken", config, slow=0.05)
    steps = 12 // config.gradient_accumulation_steps
    wait_for(broken, f"step {steps + steps // 2 + 1}")
    broken.send_signal(signal.SIGKILL)
    broken.communicate()
    assert broken.returncode == -signal.SIGKILL
    unbroken, resumed = here("unbroken", config), here("broken", config)
    assert (unbroken.loop.state.global_step, unbroken.checkpoint) == (3 * steps, None)
    assert resumed.checkpoint.name == f"checkpoint-{(steps + steps // 2) // 2 * 2}"
    expected = load_file(tmp_path / "unbroken" / "model.safetensors")
    found = load_file(tmp_path / "broken" / "model.safetensors")
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key


@pytest.mark.parametrize(("name", "error"), [("SIGTERM", Interrupted), ("SIGINT", StoppedByHand)])
def test_a_signal_saves_a_checkpoint_and_says_so(
    name, error, here, tiny_bert, tmp_path, monkeypatch
):
    config = Train(task="mlm", model=str(tiny_bert), epochs=1, batch_size=8, line_by_line=True)
    show = ShowProgress.on_step_end

    def signal_then_show(self, args, state, control, **more):
        if state.global_step == 5:
            signal.raise_signal(signal.Signals[name])
        show(self, args, state, control, **more)

    before = signal.getsignal(signal.Signals[name])
    with monkeypatch.context() as patch:
        patch.setattr(ShowProgress, "on_step_end", signal_then_show)
        with pytest.raises(error, match=f"stopped by {name} at step 5 of 12; a checkpoint was"):
            here("stopped", config)
    assert signal.getsignal(signal.Signals[name]) is before
    assert (tmp_path / ".stopped.work/checkpoint-5/complete").is_file()
    assert here("stopped", config).checkpoint.name == "checkpoint-5"


def test_other_settings_begin_afresh(tiny_bert, small_set, tmp_path, progress):
    from siftset.trainer.training.session import Session

    for rate, said in ((1e-3, False), (2e-3, True)):
        config = Train(task="mlm", model=str(tiny_bert), max_steps=4, learning_rate=rate)
        session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
        with session.quiet_libraries():
            session.prepare(resume=True)
            assert session.checkpoint is None
            session.fit()
        assert any("starting afresh" in line for line in progress.lines) is said


def test_a_run_ended_after_its_last_step_takes_no_more(tiny_bert, small_set, tmp_path, progress):
    from siftset.trainer.training.session import Session

    config = Train(
        task="mlm", model=str(tiny_bert), max_steps=2, save_steps=2, lr_scheduler_type="constant"
    )
    found = []
    for _ in range(2):
        session = Session(config, small_set, tmp_path / "o", seed=1, progress=progress)
        with session.quiet_libraries():
            session.prepare(resume=True)
            session.fit()
        assert session.loop.state.global_step == 2
        found.append(session.take_trained().model.state_dict())
    assert "resuming at step 2" in progress.lines
    assert all(torch.equal(found[0][name], value) for name, value in found[1].items())
