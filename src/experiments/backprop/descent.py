"""Gradient descent as in the notes: update with the gradients of the recursion until C stabilises."""

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import SupportsIndex

import torch
from jaxtyping import Shaped
from torch import Tensor

from experiments.backprop.buffers import BackpropagationBuffers
from experiments.backprop.checks import (
    layers_of,
    require_input,
    require_loss,
    require_targets,
)
from experiments.backprop.examples import batch_of, drawn, gathered
from experiments.backprop.flattening import FlatNetwork, flattened
from experiments.backprop.forward import stored_pass
from experiments.backprop.stabilisation import Descent, DescentRecord
from experiments.core.alike import require_tensor
from experiments.core.errors import ConfigurationError, describe
from experiments.core.loss import Loss
from experiments.core.seeding import SHUFFLING, Seeds, run_seeds, stream
from experiments.core.whole import whole
from experiments.models import MLP

PerRun = float | int | Sequence[float | int] | Tensor


def fit(
    net: MLP,
    x: Shaped[Tensor, "..."],
    t: Shaped[Tensor, "..."],
    loss: Loss,
    lr: PerRun,
    *,
    steps: SupportsIndex | None = None,
    epochs: SupportsIndex | None = None,
    method: str = "full",
    batch_size: SupportsIndex | None = None,
    l1: PerRun = 0.0,
    l2: PerRun = 0.0,
    tolerance: float | None = None,
    patience: SupportsIndex = 1,
    record_every: SupportsIndex | None = None,
    seed: Seeds = 0,
) -> Descent:
    r"""Train a network in place by gradient descent, without autograd.

    Formula of one step, with the gradients of ``backpropagate`` for the examples of the step::

        W^[l] <- W^[l] - eta (dC/dW^[l] + l1 sign(W^[l]) + l2 W^[l])
        b^[l] <- b^[l] - eta  dC/db^[l]

    The penalties apply to weights only, not to biases: C + l1 sum |W| + l2/2 sum W^2.

    Args:
        net: one network, or a stack of R that are trained at once; no operation mixes runs.
        x: (examples, n_1), shared by all runs.
        t: targets, (examples,) class indices or (examples, n_L) values.
        loss: any loss.
        lr: learning rate, eta in note 003 and rho in note 004, >= 0; one number or one per run.
        steps: number of updates; give either steps or epochs.
        epochs: number of passes over the data. One pass takes 1 step with the full batch, ``examples``
            steps with one example per step, and ``examples / batch_size``, rounded up, with mini-batches.
        method: ``"full"`` batch; ``"stochastic"``, one example per step, drawn with replacement; or
            ``"mini-batch"``, shuffled again in every epoch.
        batch_size: number of examples per step, for ``"mini-batch"``.
        l1: factor of the L1 penalty, >= 0; one number or one per run.
        l2: factor of the L2 penalty, >= 0; one number or one per run.
        tolerance: a run stops when the relative change of C between two records was at most this,
            ``patience`` times in a row; None never stops early.
        patience: see tolerance; at least 1.
        record_every: number of steps between two records of C; None means one epoch.
        seed: seed for drawing examples; one per run, or s for s, ..., s + R - 1.

    Returns:
        The recorded costs. A run that diverges has costs that are not finite; this is not an error.

    Raises:
        ValueError: for data that do not fit the network, or a setting outside its range.

    Example:
        >>> from experiments.activations import Tanh
        >>> from experiments.initializers import Glorot
        >>> from experiments.losses import HalfSquaredError
        >>> net = MLP((1, 8, 1), Tanh(), Glorot(), runs=2, seed=0)
        >>> x = torch.linspace(-1, 1, 20).unsqueeze(-1)
        >>> descent = fit(net, x, x**2, HalfSquaredError(), lr=[0.1, 0.2], epochs=200)
        >>> descent.losses.shape, bool((descent.losses[-1] < descent.losses[0] / 2).all())
        (torch.Size([201, 2]), True)

    References:
        Note 003, "Final algo"; note 004; Higham & Higham (2019), section 4 and ``netbp``.
    """
    require_loss(loss)
    x = _checked_data(net, x, t)
    batch = batch_of(method, len(x), batch_size)
    epoch = math.ceil(len(x) / batch)
    every = whole("record_every", epoch if record_every is None else record_every, 1)
    total = _steps(steps, epochs, epoch)
    record = DescentRecord(tolerance, whole("patience", patience, 1))
    with torch.no_grad(), flattened(net) as flat:
        minus_lr = step_size = -_per_run("lr", lr, net, flat.values)
        factors = (_per_run(name, p, net, flat.values) for name, p in (("l1", l1), ("l2", l2)))
        penalties = [factor if bool(factor.any()) else None for factor in factors]
        buffers: dict[int, BackpropagationBuffers] = {}
        batches = _batches(net, x, t, method, batch, seed)
        for step in range(total):
            x_step, t_step = next(batches)
            step_buffers = _buffers(buffers, net, flat, x_step.shape[-2])
            cost = step_buffers.backpropagate(x_step, t_step, loss).loss
            if step % every == 0:
                record.add(step, cost if method == "full" else _cost(net, x, t, loss))
                if record.over:
                    break
                if tolerance is not None:
                    step_size = _zero_where_stopped(minus_lr, record.running)
            if penalties != [None, None]:
                _penalise(flat, *penalties)
            flat.values.addcmul_(flat.gradients, step_size)
        else:
            record.add(total, _cost(net, x, t, loss))
    return record.descent()


def _checked_data(net: MLP, x: Tensor, t: Tensor) -> Tensor:
    layers_of(net)  # before flattening, which would convert all parameters to one float type
    require_tensor("x", x)
    if x.dim() != 2:
        expected = f"(examples, {net.widths[0]}), shared by all runs"
        remedy = "fit draws every run's own batches from one data set"
        raise ValueError(describe(f"data of shape {tuple(x.shape)}", expected, remedy))
    require_targets(t)
    if t.shape[:1] != x.shape[:1]:
        found = f"{len(t) if t.dim() else 'one number as'} targets for {len(x)} examples"
        raise ValueError(
            describe(found, "one target per example", "give as many targets as rows of x")
        )
    return require_input(net, x)


def _steps(steps: SupportsIndex | None, epochs: SupportsIndex | None, epoch: int) -> int:
    if (steps is None) == (epochs is None):
        found = f"steps={steps} and epochs={epochs}"
        raise ConfigurationError(describe(found, "exactly one of them", "give steps or epochs"))
    return whole("steps", steps, 1) if steps is not None else whole("epochs", epochs, 1) * epoch


def _per_run(name: str, value: PerRun, net: MLP, like: Tensor) -> Tensor:
    """A setting as a scalar or as a column (R, 1), so that it multiplies the row of each run."""
    try:
        column = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        remedy = f"give {name} one number, or one for every run of the stack"
        raise ConfigurationError(describe(f"{name}={value!r}", "numbers", remedy)) from error
    fits = column.shape == () or (net.runs is not None and column.shape == (net.runs,))
    if not fits or not bool((torch.isfinite(column) & (column >= 0)).all()):
        expected = "one finite number of 0 or more" + (
            "" if net.runs is None else f", or {net.runs}"
        )
        remedy = f"give {name} one number, or one for every run of the stack"
        raise ConfigurationError(describe(f"{name}={value!r}", expected, remedy))
    return column.unsqueeze(-1) if column.dim() else column


def _batches(
    net: MLP, x: Tensor, t: Tensor, method: str, batch: int, seed: Seeds
) -> Iterator[tuple[Tensor, Tensor]]:
    if method == "full":
        return repeat((x, t))
    generators = [stream(s, SHUFFLING) for s in run_seeds(seed, net.runs)]
    draws = drawn(method, len(x), batch, generators)
    return (step for part in draws for step in gathered(part, x, t, net.runs is not None))


def _buffers(
    made: dict[int, BackpropagationBuffers], net: MLP, flat: FlatNetwork, batch: int
) -> BackpropagationBuffers:
    if batch not in made:
        made[batch] = BackpropagationBuffers(
            net, batch, flat.weight_gradients, flat.bias_gradients, keep=False
        )
    return made[batch]


def _cost(net: MLP, x: Tensor, t: Tensor, loss: Loss) -> Tensor:
    """C over all examples, () or (R,)."""
    return loss.per_example(stored_pass(layers_of(net), x).a[-1], t).mean(-1)


def _zero_where_stopped(step_size: Tensor, running: Tensor) -> Tensor:
    """The step size, and 0 for runs that have stabilised."""
    return step_size * (running.unsqueeze(-1) if running.dim() else running)


def _penalise(flat: FlatNetwork, l1: Tensor | None, l2: Tensor | None) -> None:
    weights = flat.values[..., : flat.weight_count]
    gradients = flat.gradients[..., : flat.weight_count]
    if l1 is not None:
        gradients.addcmul_(torch.sign(weights), l1)
    if l2 is not None:
        gradients.addcmul_(weights, l2)
