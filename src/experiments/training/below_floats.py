"""Logarithms of gradient norms that are too small or too large for the step's own floats."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.backprop.checks import layers_of
from experiments.backprop.scaling import scaled_norms
from experiments.core.loss import Loss
from experiments.core.probe import StepPass
from experiments.models import MLP

#: gradients with smaller norms have entries near or below the smallest normal float32
SMALL = 1e-30

#: columns of plain norms, and the attribute of the scaled recursion with their logarithms
_SCALED = {
    "delta_norm": "log10_delta_norms",
    "weight_gradient_norm": "log10_weight_gradient_norms",
}


def fill_below_floats(
    table: np.ndarray,
    columns: Sequence[str],
    record: StepPass,
    net: MLP,
    x: Tensor,
    t: Tensor,
    loss: Loss,
) -> None:
    """Replace logarithms by those of the scaled recursion where plain norms are below SMALL or not finite.

    The recursion is computed only for runs that have such a norm in some layer. It covers the notes'
    plain networks; others (skips, normalisation) keep what their floats give.

    Args:
        table: (layers, R, columns) of one record; changed in place.
        columns: of the ledger; without log10 columns nothing is computed.
        record: the step, with the parameters it began with.
        net: its shapes and activations; its parameters may have been updated since.
        x: the step's inputs, (R, batch, n_1), or (batch, n_1) where the runs share them.
        t: the step's targets, with a run axis if x has one.
        loss: the loss.
    """
    recorded = [name for name in _SCALED if name in columns]
    usual = _is_usual(table[..., [columns.index(name) for name in recorded]])
    if usual.all() or not net.plain:
        return
    runs = np.flatnonzero(~usual.all((0, 2)))
    index = torch.from_numpy(runs).to(x.device)  # once, not layer by layer as NumPy's would be
    layers = [
        layer._replace(W=record.weight[k][index], b=record.bias[k][index])
        for k, layer in enumerate(layers_of(net))
    ]
    if x.dim() == 3:
        x, t = x[index], t[index]
    found = scaled_norms(layers, x, t, loss)
    for name in recorded:
        plain = table[:, runs, columns.index(name)]
        at = columns.index(f"log10_{name}")
        exact = torch.stack(getattr(found, _SCALED[name])).cpu().numpy()
        table[:, runs, at] = np.where(_is_usual(plain), table[:, runs, at], exact)


def _is_usual(size: np.ndarray) -> np.ndarray:
    """Whether a norm is finite and not below SMALL."""
    return (size > SMALL) & (size < np.inf)
