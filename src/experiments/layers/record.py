"""What one pass leaves behind in one layer, for probes: filled from inside, without hooks."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(eq=False, repr=False)
class LayerRecord:
    """The tensors of one layer in one pass, detached, in the notes' names.

    Attributes:
        a_prev: a^[l-1], (*runs, batch, n_prev); set by the forward pass.
        z: z^[l], (*runs, batch, n); set by the forward pass.
        a: a^[l] = sigma(z^[l]), without what a skip connection adds, (*runs, batch, n); set by the
            forward pass.
        delta: dC/dz^[l], (*runs, batch, n), on the scale of the differentiated cost; set by the
            backward pass.
    """

    a_prev: Tensor = field(init=False)
    z: Tensor = field(init=False)
    a: Tensor = field(init=False)
    delta: Tensor = field(init=False)
