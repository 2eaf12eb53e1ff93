"""Loss, accuracy and metrics of every run on a whole split."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from experiments.core.dataset import Split, Task
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.core.metric import Answers, Metric
from experiments.models import MLP
from experiments.training.examples import distinct

#: most numbers per layer in one evaluated piece, so that a large split fits into any memory; on a CPU
#: fewer, so that a stack's activations stay in its caches
PIECE, CPU_PIECE = 2**23, 2**20


@torch.no_grad()
def evaluate(
    net: MLP,
    loss: Loss,
    split: Split | Sequence[Split],
    task: Task,
    metrics: Mapping[str, Metric],
) -> dict[str, Tensor]:
    """``loss``, ``accuracy`` and every metric under its name, (R,) each, float64.

    Loss and accuracy are means over all examples of the split.

    Args:
        net: a stack of R runs.
        loss: also decides which examples are classified correctly.
        split: on the network's device; one for all runs, or one for each, all of one shape.
        task: accuracy, and metrics that need classes, are NaN for a regression.
        metrics: measured in addition, by name.

    Raises:
        ValueError: for a single network.
    """
    if net.runs is None:
        raise ValueError(describe("a single network", "a stack of runs", "build it with runs=1"))
    runs = net.runs
    splits = [split] * runs if isinstance(split, Split) else split
    examples = len(splits[0])
    device = splits[0].x.device
    piece = CPU_PIECE if device.type == "cpu" else PIECE
    size = max(1, piece // (runs * max(net.widths)))
    cost = torch.zeros(runs, dtype=torch.float64, device=device)
    right = torch.zeros_like(cost)
    unknown = torch.full_like(cost, torch.nan)
    defined = {
        name: metric
        for name, metric in metrics.items()
        if task == "classification" or not metric.needs_classes
    }
    kept = []
    for start in range(0, examples, size):
        x, t = _shown(splits, slice(start, start + size))
        outputs = net(x)
        cost += loss.per_example(outputs, t).double().sum(-1)
        if task == "classification":
            right += loss.correct(outputs, t).sum(-1)
        if defined:
            kept.append(outputs)
    accuracy = right / examples if task == "classification" else unknown
    found = {"loss": cost / examples, "accuracy": accuracy, **dict.fromkeys(metrics, unknown)}
    return found | _metrics(torch.cat(kept, dim=-2), splits, loss, defined) if kept else found


def _shown(splits: Sequence[Split], part: slice) -> tuple[Tensor, Tensor]:
    """x and t of some examples, with a run axis if the runs do not share their examples."""
    if all(own is splits[0] for own in splits):
        return splits[0].x[part], splits[0].t[part]
    return torch.stack([own.x[part] for own in splits]), torch.stack(
        [own.t[part] for own in splits]
    )


def _metrics(
    outputs: Tensor, splits: Sequence[Split], loss: Loss, metrics: Mapping[str, Metric]
) -> dict[str, Tensor]:
    """A few runs at a time, since the metrics make several float64 copies of the outputs."""
    together = max(1, PIECE // outputs[0].numel())
    found = {name: outputs.new_empty(len(splits), dtype=torch.float64) for name in metrics}
    for split in distinct(splits):
        same = [r for r, own in enumerate(splits) if own is split]
        for runs in (same[k : k + together] for k in range(0, len(same), together)):
            answers = Answers(outputs[runs], split.t, loss)
            for name, metric in metrics.items():
                found[name][runs] = metric(answers)
    return found
