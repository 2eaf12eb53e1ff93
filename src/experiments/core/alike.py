"""Inputs of another type or device than the parameters, refused before torch's product refuses them."""

from torch import Tensor

from experiments.core.errors import describe


def require_alike(x: Tensor, weight: Tensor) -> None:
    """Refuse an input that cannot be multiplied by the weights.

    Raises:
        ValueError: if the types or the devices differ.
    """
    if x.dtype != weight.dtype or x.device != weight.device:
        found = f"an input of {x.dtype} on {x.device}"
        expected = f"{weight.dtype} on {weight.device}, like the parameters"
        raise ValueError(describe(found, expected, "move x with x.to(net.weights[0])"))
