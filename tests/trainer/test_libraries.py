from __future__ import annotations

import gc
import weakref

import pytest

from siftset.trainer.train import training_libraries


class Ring:
    def __init__(self) -> None:
        self.itself = self


def test_the_collector_passes_over_libraries_alone_and_is_as_before_in_the_end():
    ring = Ring()
    watched = weakref.ref(ring)
    with training_libraries():
        assert gc.isenabled()
        assert gc.get_freeze_count() > 10_000
        inner = weakref.ref(Ring())
        gc.collect()
        assert inner() is None, "what the run itself leaves is collected"
        del ring
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert watched() is None, "what was there before is collected once the run is over"


def test_a_run_that_fails_leaves_the_collector_as_it_was():
    with pytest.raises(ValueError, match="failed"), training_libraries():
        raise ValueError("failed")
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_a_caller_froze_or_switched_off_stays_so():
    gc.freeze()
    try:
        with training_libraries():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    gc.disable()
    try:
        with training_libraries():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
