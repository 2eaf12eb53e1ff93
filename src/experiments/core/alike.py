"""Inputs that are no tensors, or of another type or device than the parameters, refused in words."""

from torch import Tensor

from experiments.core.errors import describe


def require_tensor(name: str, values: object) -> None:
    """Refuse lists, arrays and None: converting them would guess a float type and a device.

    Raises:
        ValueError: for anything but a tensor.
    """
    if not isinstance(values, Tensor):
        remedy = f"convert {name} with torch.as_tensor({name})"
        raise ValueError(describe(f"{name} of type {type(values).__name__}", "a tensor", remedy))


def require_alike(x: Tensor, weight: Tensor) -> None:
    """Refuse an input that cannot be multiplied by the weights.

    Raises:
        ValueError: if the types or the devices differ.
    """
    if x.dtype != weight.dtype or x.device != weight.device:
        found = f"an input of {x.dtype} on {x.device}"
        expected = f"{weight.dtype} on {weight.device}, like the parameters"
        raise ValueError(describe(found, expected, "move x with x.to(net.weights[0])"))
