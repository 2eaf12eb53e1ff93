"""What the advice predicts, measured on freshly drawn networks and in a short run."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from experiments.core.dataset import Split
from experiments.core.initializer import Initializer
from experiments.core.interval import Interval
from experiments.models import MLP
from experiments.probes import correlations, gradient_ratio, lengths
from experiments.reporting.intervals import mean_interval
from experiments.theory import BatchMoments, predicted_profile
from experiments.theory.kernel import LearningRates
from experiments.training.evaluation import evaluate
from experiments.training.optimizers import SGD
from experiments.training.stack import Stack
from experiments.training.train import train

#: Networks drawn, and examples used.
DRAWN, SHOWN = 8, 128
#: Seeds per learning rate; multiply-adds of a short run, and bounds on its number of steps.
SEEDS, WORK, STEPS = 2, 5e10, (10, 100)


@dataclass(frozen=True)
class Comparison:
    """A predicted quantity, and its mean over drawn networks with its interval."""

    quantity: str
    predicted: float
    measured: Interval


@dataclass(frozen=True)
class ShortRun:
    """Gradient descent at one learning rate.

    Attributes:
        lr: the rate.
        expected: what theory predicts.
        steps: number taken.
        before: mean loss over the training split and seeds, before training.
        after: the same at the end, over the runs that did not diverge; infinite if all did.
        diverged: number of runs that did.
    """

    lr: float
    expected: str
    steps: int
    before: float
    after: float
    diverged: int


def compare(stack: Stack, initializer: Initializer, split: Split) -> list[Comparison]:
    """Predicted against measured at initialisation, for a network with two hidden layers or more."""
    x, t = split.x[:SHOWN], split.t[:SHOWN]
    widths, loss = stack.widths, stack.loss
    net = MLP(widths, stack.activation, initializer, runs=DRAWN, seed=stack.runs[0].seed)
    with torch.no_grad():
        deltas = loss.delta(net(x), t)
    profile = predicted_profile(widths, stack.activation, initializer, BatchMoments.of(x, deltas))
    top = len(widths) - 3  # index of the last hidden layer
    if top < 1:
        return []
    typical = np.subtract(profile.log10_delta_norm, profile.log10_shortfall)
    measured = gradient_ratio(net, x, t, loss)[:top].log10().sum(0) / (2 * top)
    angle = correlations(net, x, x.roll(1, 0))[top].mean(-1)
    return [
        Comparison(
            "gradient norm, factor a layer",
            10 ** ((typical[0] - typical[top]) / top),
            _over_runs(measured).map(lambda v: 10**v),
        ),
        Comparison(
            "mean square of z, last hidden layer",
            10 ** profile.log10_q[top],
            _over_runs(lengths(net, x)[top].mean(-1)),
        ),
        Comparison(
            "correlation of two examples there", profile.correlation[top], _over_runs(angle)
        ),
    ]


def short_runs(stack: Stack, initializer: Initializer, rates: LearningRates) -> list[ShortRun]:
    """Plain gradient descent below, between and above the predicted bounds, as one stack.

    Nothing where theory sets no bound: there is no rate to try.
    """
    if not math.isfinite(rates.safe):
        return []
    limit = rates.limit if math.isfinite(rates.limit) else 10 * rates.safe
    trials = {
        rates.safe: "stable",
        math.sqrt(rates.safe * limit): "between the bounds",
        4 * limit: "unstable at first",
    }
    batch = stack.settings.batch(len(stack.dataset.load().train))
    weights = sum(n * m for n, m in zip(stack.widths[1:], stack.widths[:-1], strict=True))
    steps = WORK / (3 * batch * weights * SEEDS * len(trials))
    steps = int(min(max(steps, STEPS[0]), STEPS[1]))
    first = stack.runs[0]
    runs = [
        replace(first, seed=first.seed + s, initializer=initializer, start=None)
        for _ in trials
        for s in range(SEEDS)
    ]
    lr = torch.tensor([rate for rate in trials for _ in range(SEEDS)], dtype=torch.float64)
    trial = replace(
        stack,
        runs=tuple(runs),
        optimizer=lambda: SGD(lr=lr),
        settings=replace(stack.settings, max_steps=steps, evaluations=1, checkpoint=False),
        ledger=replace(stack.ledger, every=None, quantities=[]),
        metrics={},
    )
    part = stack.dataset.load().train.to(stack.dtype)
    before = evaluate(trial.build(), trial.loss, part, stack.dataset.task, {})["loss"]
    outcomes = train(trial)
    found = []
    for k, (rate, expected) in enumerate(trials.items()):
        mine = slice(k * SEEDS, (k + 1) * SEEDS)
        ends = [o.metrics.get("train/loss", math.nan) for o in outcomes[mine]]
        lost = sum(o.status == "diverged" for o in outcomes[mine])
        kept = [end for end in ends if math.isfinite(end)]
        start, end = float(before[mine].mean()), float(np.mean(kept)) if kept else math.inf
        found.append(ShortRun(rate, expected, steps, start, end, lost))
    return found


def _over_runs(values: Tensor) -> Interval:
    return mean_interval(values.double().numpy())
