"""The tensors of one layer in one pass, for probes; the layer itself fills the record, without hooks."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(eq=False, repr=False)
class LayerRecord:
    """The tensors of one layer in one pass, detached, under the names of the notes.

    Attributes:
        a_prev: a^[l-1], (*runs, batch, n_prev); set by the forward pass.
        z: z^[l], (*runs, batch, n); set by the forward pass.
        a: a^[l] = sigma(z^[l]), of the standardised z with ``normalize``, before a skip connection is
            added, (*runs, batch, n); set by the forward pass.
        delta: dC/dz^[l] of the cost that is differentiated, (*runs, batch, n); set by the backward
            pass.
    """

    a_prev: Tensor = field(init=False)
    z: Tensor = field(init=False)
    a: Tensor = field(init=False)
    delta: Tensor = field(init=False)
