"""Checks of the arguments of the functions of this package; nothing is broadcast silently."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.alike import require_alike, require_tensor
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.core.shapes import layer_name
from experiments.models import MLP


class Layer(NamedTuple):
    """W^[l], b^[l] and sigma_l of one layer."""

    W: Tensor
    b: Tensor
    activation: Activation

    def affine(self, a_prev: Tensor) -> Tensor:
        """z = a_prev @ W.T + b; the runs of a stack may share a_prev."""
        if self.W.dim() == 2:
            return torch.addmm(self.b, a_prev, self.W.mT)
        if a_prev.dim() == 2:
            a_prev = a_prev.expand(len(self.W), *a_prev.shape)
        return torch.baddbmm(self.b.unsqueeze(-2), a_prev, self.W.mT)

    def evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """sigma(z) and sigma'(z), the diagonal of D^[l].

        Raises:
            ValueError: if the activation does not implement its derivative.
        """
        a, derivative = torch.empty_like(z), torch.empty_like(z)
        try:
            self.activation.evaluate(z, a, derivative)
        except NotImplementedError as error:
            raise _underivable(self.activation) from error
        return a, derivative

    def derivative(self, z: Tensor) -> Tensor:
        """sigma'(z) only; subnormal values are kept, which ``evaluate`` may round to 0.

        Raises:
            ValueError: if the activation does not implement its derivative.
        """
        try:
            return self.activation.derivative(z)
        except NotImplementedError as error:
            raise _underivable(self.activation) from error


def layers_of(net: MLP) -> list[Layer]:
    """The layers with weights, from the first to the output.

    Raises:
        ValueError: for anything but an MLP without skips and normalisation, an activation without a
            hand-written derivative, or parameters whose shapes, float types or devices do not match.
    """
    require_network(net)
    if not net.plain:
        found = f"an MLP with skip={net.skip}, normalize={net.normalize}"
        remedy = "differentiate such a network with autograd, or build it without them"
        raise ValueError(describe(found, "only layers a = sigma(W a_prev + b)", remedy))
    runs = () if net.runs is None else (net.runs,)
    layers: list[Layer] = []
    for k, dense in enumerate(net.dense_layers):
        layer = Layer(dense.weight, dense.bias, dense.activation)
        require_activation(layer.activation)
        n_prev, n = net.widths[k : k + 2]
        if layer.W.shape != (*runs, n, n_prev) or layer.b.shape != (*runs, n):
            found = f"W {tuple(layer.W.shape)} and b {tuple(layer.b.shape)} in {layer_name(k)}"
            expected = f"W {(*runs, n, n_prev)} and b {(*runs, n)}"
            remedy = "give the layer parameters that match its neighbours, or rebuild the MLP"
            raise ValueError(describe(found, expected, remedy))
        layers.append(layer)
        if k == 0:
            dtype, device = layer.W.dtype, layer.W.device
        if layer.W.dtype != dtype or layer.b.dtype != dtype or layer.b.device != device:
            found = (
                f"W {layer.W.dtype} and b {layer.b.dtype} on {layer.b.device} in {layer_name(k)}"
            )
            expected = f"{dtype} on {device}, as in {layer_name(0)}"
            raise ValueError(describe(found, expected, "move the whole network with net.to(...)"))
    return layers


def require_network(net: object) -> None:
    """Refuse modules other than an MLP, whose layers these recursions do not know.

    Raises:
        ValueError: for anything but an MLP.
    """
    if not isinstance(net, MLP):
        remedy = "build it as experiments.models.MLP, or differentiate it with autograd"
        raise ValueError(describe(f"{type(net).__name__} as the network", "an MLP", remedy))


def require_activation(activation: object) -> None:
    """Refuse modules without a hand-written derivative.

    Raises:
        ValueError: for anything but an Activation that defines ``functions``.
    """
    if not isinstance(activation, Activation) or not hasattr(activation, "functions"):
        raise _underivable(activation)


def require_loss(loss: object) -> None:
    """Refuse costs without a hand-written delta.

    Raises:
        ValueError: for anything but a Loss.
    """
    if not isinstance(loss, Loss):
        expected = "a Loss, which has a hand-written delta"
        remedy = "use one of experiments.losses, for instance MeanSquaredError()"
        raise ValueError(describe(f"{type(loss).__name__} as the loss", expected, remedy))


def require_input(net: MLP, x: Tensor) -> Tensor:
    """Check x, (batch, n_1) or (R, batch, n_1), and return it detached.

    Raises:
        ValueError: if net is not an MLP, x is not a tensor, has the wrong shape, another float type or
            device than the parameters, an empty batch or values that are not finite, or if the call
            comes from inside a torch.func transform.
    """
    require_plain_call()
    require_shape(net, x)
    if not bool(torch.isfinite(x).all()):
        count = int((~torch.isfinite(x)).sum())
        found = f"{count} of {x.numel()} inputs that are not finite"
        raise ValueError(describe(found, "finite inputs", "clean or rescale the data"))
    return x.detach()


def require_shape(net: MLP, x: Tensor) -> None:
    """The checks of ``require_input`` that do not read values, which would wait for the device.

    Raises:
        ValueError: as in ``require_input``, except for values that are not finite.
    """
    require_network(net)
    require_tensor("x", x)
    n_in = net.widths[0]
    expected = f"(batch, {n_in})" + ("" if net.runs is None else f" or ({net.runs}, batch, {n_in})")
    runs = tuple(x.shape[:-2])
    if (
        x.dim() < 2
        or x.shape[-1] != n_in
        or runs not in ((), () if net.runs is None else (net.runs,))
    ):
        remedy = "one example per row; x.unsqueeze(0) makes a batch of one example"
        raise ValueError(describe(f"an input of shape {tuple(x.shape)}", expected, remedy))
    if x.shape[-2] == 0:
        found = f"an empty batch, shape {tuple(x.shape)}"
        raise ValueError(describe(found, "at least one example", "leave empty batches out"))
    require_alike(x, net.dense_layers[0].weight)


def require_targets(t: Tensor) -> None:
    """Refuse target values that are not finite; the loss itself checks shapes and kinds.

    Raises:
        ValueError: if t is not a tensor, or contains a value that is not finite.
    """
    require_tensor("t", t)
    if t.is_floating_point() and not bool(torch.isfinite(t).all()):
        count = int((~torch.isfinite(t)).sum())
        found = f"{count} of {t.numel()} target values that are not finite"
        raise ValueError(describe(found, "finite targets", "clean the targets"))


def require_single_output(net: MLP) -> None:
    """Refuse networks with several outputs, whose derivative is a matrix and not a gradient.

    Raises:
        ValueError: for anything but an MLP, or if n_L > 1.
    """
    require_network(net)
    if net.widths[-1] != 1:
        found = f"n_L={net.widths[-1]} outputs"
        raise ValueError(describe(found, "n_L=1", "use input_jacobian for several outputs"))


def require_numbers(name: str, values: Iterable[float | int | Tensor]) -> list[float]:
    """Check a sequence, vector or array of numbers, and return it as a list of floats.

    Raises:
        ValueError: for anything but numbers, or a number that is not finite.
    """
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        remedy = "give a flat list such as [0.5, -1.0]"
        raise ValueError(describe(f"{name}={values!r}", "a sequence of numbers", remedy)) from error
    for k, number in enumerate(numbers):
        if not math.isfinite(number):
            found = f"{name} with {number} at place {k}"
            raise ValueError(describe(found, "finite numbers", f"clean or rescale {name}"))
    return numbers


def require_plain_call() -> None:
    """Refuse to run inside torch.func transforms, which would treat the result as a constant.

    Raises:
        ValueError: inside torch.func.grad, vjp, jvp, vmap and the like.
    """
    if torch._C._functorch.peek_interpreter_stack() is not None:
        expected = "plain tensors: these recursions are the derivative, and carry no graph"
        remedy = "call them outside of torch.func; batch and runs are axes of the arguments"
        raise ValueError(describe("a call inside a torch.func transform", expected, remedy))


def _underivable(activation: object) -> ValueError:
    found = f"{type(activation).__name__}, an activation without a derivative"
    expected = "an Activation with a hand-written derivative"
    remedy = "use one of experiments.activations, or implement its derivative"
    return ValueError(describe(found, expected, remedy))
