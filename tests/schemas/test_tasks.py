from dataclasses import fields
from typing import get_args

import pytest

from siftset.schemas.tasks import TASKS, TaskCode, TaskName


def test_every_task_has_an_entry():
    assert tuple(TASKS) == get_args(TaskName)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("part", [field.name for field in fields(TaskCode)])
def test_what_an_entry_names_is_there(task, part):
    pytest.importorskip("torch")
    assert callable(TASKS[task].code.load(part))
