from __future__ import annotations

from siftset.trainer.training.head_init import _Best


def test_the_weights_of_the_lowest_loss_are_restored():
    import torch

    model = torch.nn.Linear(1, 1, bias=False)
    best = _Best(model)
    for weight, loss in ((1.0, 0.7), (2.0, 0.5), (3.0, 0.6)):
        with torch.no_grad():
            model.weight.fill_(weight)
        best.keep(loss)
    best.restore()
    assert (best.loss, model.weight.item()) == (0.5, 2.0)
