"""The ledger's logarithms where the step's own floats cannot give them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.backprop.admission import layers_of
from experiments.backprop.scaling import scaled_norms
from experiments.core.loss import Loss
from experiments.core.probe import StepPass
from experiments.models import MLP

#: gradients with smaller norms have entries near or below the smallest normal float32
SMALL = 1e-30


class BelowFloats:
    """log10 norms from the scaled recursion, where the step's own floats cannot give them.

    Computed before the update, and only for the runs that need it: a gradient of some layer is below
    SMALL, or not finite. The recursion describes the notes' networks alone; others keep what their
    floats give.

    Args:
        record: what the step left, before the update.
        net: before the update.
        x: the step's inputs, (R, batch, n_1), or (batch, n_1) where the runs share them.
        t: the step's targets, with a run axis if x has one.
        loss: the loss.
        columns: of the ledger; nothing is computed for one without logarithms.
    """

    def __init__(
        self,
        record: StepPass,
        net: MLP,
        x: Tensor,
        t: Tensor,
        loss: Loss,
        columns: Sequence[str],
    ) -> None:
        self._columns = list(columns)
        self._norms: dict[str, list[Tensor]] = {}
        sizes = {"delta_norm": record.delta, "weight_gradient_norm": record.weight_gradient}
        usual = [
            _is_usual(values.norm.cpu().numpy()).all(0)
            for name, values in sizes.items()
            if name in columns
        ]
        self.runs = np.flatnonzero(~np.all(usual, axis=0)) if usual else np.empty(0, int)
        if not net.plain or not len(self.runs):
            return
        layers = [
            layer._replace(W=layer.W[self.runs], b=layer.b[self.runs]) for layer in layers_of(net)
        ]
        if x.dim() == 3:
            x, t = x[self.runs], t[self.runs]
        found = scaled_norms(layers, x, t, loss)
        self._norms = {
            "delta_norm": found.log10_delta_norms,
            "weight_gradient_norm": found.log10_weight_gradient_norms,
        }

    def fill(self, table: np.ndarray) -> np.ndarray:
        """Put the scaled norms into the ledger's log10 columns where the plain ones are no use.

        Args:
            table: (layers, R, columns) of one record; changed in place and returned.
        """
        for name, logarithms in self._norms.items():
            if name in self._columns:
                plain = table[:, self.runs, self._columns.index(name)]
                at = self._columns.index(f"log10_{name}")
                exact = torch.stack(logarithms).cpu().numpy()
                table[:, self.runs, at] = np.where(_is_usual(plain), table[:, self.runs, at], exact)
        return table


def _is_usual(size: np.ndarray) -> np.ndarray:
    """Where a norm is not small, and finite."""
    return (size > SMALL) & (size < np.inf)
