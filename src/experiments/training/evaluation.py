"""Loss, accuracy and metrics of every run on a whole split."""

from collections.abc import Mapping

import torch
from torch import Tensor

from experiments.core.dataset import Split, Task
from experiments.core.loss import Loss
from experiments.core.metric import Answers, Metric
from experiments.models import MLP

#: numbers that one evaluated piece may hold in one layer, so that a large split fits anywhere
PIECE = 2**23


@torch.no_grad()
def evaluate(
    net: MLP, loss: Loss, split: Split, task: Task, metrics: Mapping[str, Metric]
) -> dict[str, Tensor]:
    """``loss``, ``accuracy`` and every metric under its name, (R,) each, float64.

    Loss and accuracy are means over all examples of the split.

    Args:
        net: a stack of R runs.
        loss: also says which examples are classified rightly.
        split: on the network's device.
        task: accuracy and metrics are NaN for a regression.
        metrics: what else is measured.
    """
    runs = net.runs or 1
    size = max(1, PIECE // (runs * max(net.widths)))
    cost = torch.zeros(runs, dtype=torch.float64, device=split.x.device)
    right = torch.zeros_like(cost)
    unknown = torch.full_like(cost, torch.nan)
    kept = []
    for start in range(0, len(split), size):
        part = slice(start, start + size)
        outputs = net(split.x[part])
        cost += loss.per_example(outputs, split.t[part]).double().sum(-1)
        if task == "classification":
            right += loss.correct(outputs, split.t[part]).sum(-1)
        if metrics:
            kept.append(outputs)
    found = {"loss": cost / len(split), "accuracy": right / len(split)}
    if task == "regression":
        return found | dict.fromkeys(["accuracy", *metrics], unknown)
    if not kept:
        return found | dict.fromkeys(metrics, unknown)
    return found | _metrics(torch.cat(kept, dim=-2), split.t, loss, metrics)


def _metrics(
    outputs: Tensor, t: Tensor, loss: Loss, metrics: Mapping[str, Metric]
) -> dict[str, Tensor]:
    """A few runs at a time: the answers hold several float64 copies of the outputs."""
    parts: dict[str, list[Tensor]] = {name: [] for name in metrics}
    for some in outputs.split(max(1, PIECE // outputs[0].numel())):
        answers = Answers(some, t, loss)
        for name, metric in metrics.items():
            parts[name].append(metric(answers))
    return {name: torch.cat(found) for name, found in parts.items()}
