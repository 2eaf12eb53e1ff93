"""Loss and accuracy of every run on a whole split."""

import torch
from torch import Tensor

from experiments.core.dataset import Split, Task
from experiments.core.loss import Loss
from experiments.models import MLP

#: numbers that one evaluated piece may hold in one layer, so that a large split fits anywhere
PIECE = 2**23


@torch.no_grad()
def evaluate(net: MLP, loss: Loss, split: Split, task: Task) -> tuple[Tensor, Tensor]:
    """(loss, accuracy) of every run, each (R,), float64; means over all examples of the split.

    Args:
        net: a stack of R runs.
        loss: also says which examples are classified rightly.
        split: on the network's device.
        task: accuracy is NaN for a regression.
    """
    runs = net.runs or 1
    size = max(1, PIECE // (runs * max(net.widths)))
    cost = torch.zeros(runs, dtype=torch.float64, device=split.x.device)
    right = torch.zeros_like(cost)
    for start in range(0, len(split), size):
        part = slice(start, start + size)
        outputs = net(split.x[part])
        cost += loss.per_example(outputs, split.t[part]).double().sum(-1)
        if task == "classification":
            right += loss.correct(outputs, split.t[part]).sum(-1)
    if task == "regression":
        right = torch.full_like(right, torch.nan)
    return cost / len(split), right / len(split)
