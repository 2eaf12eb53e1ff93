r"""Singular values of the Jacobian of a live network, end to end or of a part of it.

    J = da^[l]/da^[k] = D^[l] W^[l] D^[l-1] W^[l-1] ... D^[k+1] W^[k+1],    D = diag(sigma'(z))

one J for every run and example; identity skips and layer normalisation included. Values are log10: a
product of a thousand sigmoid layers is smaller than any float, so the dense product is rescaled by a
power of two after every layer, and the powers are carried beside it. Small singular values are right
relative to the largest one, as in every dense product.

Dense: all values, O(n^3) a layer. Matrix-free: the largest few, by Golub-Kahan bidiagonalisation with
full reorthogonalisation, O(n^2) a layer and step; for wide networks.

References:
    Pennington, Schoenholz & Ganguli (2017); Golub & Kahan (1965).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from experiments.core.errors import describe
from experiments.models import MLP
from experiments.probes.passes import Pass, forward

Map = Callable[[Tensor], Tensor]

#: Bidiagonalisation stops when the wanted values move by less than this share of themselves within
#: so many steps.
SETTLED, CHECKED = 1e-8, 5
LOG10_2 = math.log10(2)


def log10_singular_values(
    net: MLP, x: Float[Tensor, "*batch n_in"], first: int = 0, last: int | None = None
) -> Float64[Tensor, "*runs batch values"]:
    """All singular values, in falling order; -inf for an exact 0.

    Args:
        net: one network or a stack.
        x: where the Jacobian is taken.
        first: index in ``net.weights`` of the lowest layer of the product.
        last: index of the highest, included; None is the output layer.

    Raises:
        ValueError: for an empty or impossible range of layers.

    Example:
        Orthogonal and linear: every singular value is 1, at any depth.

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Orthogonal
        >>> net = MLP((3, 3, 3, 3), Identity(), Orthogonal(), seed=0)
        >>> bool(log10_singular_values(net, torch.ones(1, 3)).abs().max() < 1e-6)
        True
    """
    layers = _range(net, first, last)
    done = forward(net, x)
    product, exponent = _layer(done, layers.start)
    for k in layers[1:]:
        product, exponent = _layer(done, k, product, exponent)
    return done.shaped(_log10_spectrum(product, exponent), 0)


def log10_partial_singular_values(
    net: MLP, x: Float[Tensor, "*batch n_in"]
) -> list[Float64[Tensor, "*runs batch values"]]:
    """Of every partial product from the first layer up: entry k is da^[k+2]/da^[1]."""
    done = forward(net, x)
    product, exponent = _layer(done, 0)
    spectra = [_log10_spectrum(product, exponent)]
    for k in range(1, len(done.layers)):
        product, exponent = _layer(done, k, product, exponent)
        spectra.append(_log10_spectrum(product, exponent))
    return [done.shaped(spectrum, 0) for spectrum in spectra]


def log10_largest_singular_values(
    net: MLP, x: Float[Tensor, "*batch n_in"], count: int = 1
) -> Float64[Tensor, "*runs batch count"]:
    """The largest few, end to end, without forming a matrix product.

    The starting vector is fixed, so nothing is drawn and the random stream stays as it is.

    Raises:
        ValueError: if there are not ``count`` singular values.
    """
    done = forward(net, x)
    n_in, rank = net.widths[0], min(net.widths[0], net.widths[-1])
    if not 1 <= count <= rank:
        raise ValueError(describe(f"count={count}", f"1 to {rank}", "ask for fewer values"))
    shape = (*done.z[0].shape[:2], n_in)
    start = torch.cos(torch.arange(1.0, n_in + 1, dtype=torch.float64, device=x.device) ** 2)
    values, exponent = _bidiagonalise(done, (start / start.norm()).expand(shape), count, rank)
    return done.shaped(values.log10() + exponent * LOG10_2, 0)


def spectrum_spread(log10_values: Float[Tensor, "*batch values"]) -> Float[Tensor, "*batch"]:
    """Variance over squared mean of the squared singular values; free of their scale.

    >>> spectrum_spread(torch.tensor([0.0, 0.0, 0.0]))
    tensor(0.)
    """
    relative = 10 ** (2 * (log10_values - log10_values.amax(-1, keepdim=True)))
    return relative.var(-1, correction=0) / relative.mean(-1) ** 2


def _range(net: MLP, first: int, last: int | None) -> range:
    count = len(net.weights)
    top = count - 1 if last is None else last
    if not 0 <= first <= top < count:
        raise ValueError(
            describe(
                f"layers {first} to {top}",
                f"0 <= first <= last <= {count - 1}",
                "choose within net.weights",
            )
        )
    return range(first, top + 1)


def _layer(
    done: Pass, k: int, below: Tensor | None = None, exponent: Tensor | int = 0
) -> tuple[Tensor, Tensor]:
    """One layer times what is below, brought to size one: (R, batch, n, columns) and (R, batch)."""
    layer = done.layers[k]
    if below is None:
        below = torch.eye(layer.weight.shape[-1], dtype=torch.float64, device=layer.weight.device)
        below = below.expand(*layer.slope.shape[:2], -1, -1)
    product = layer.push(below)
    _, power = torch.frexp(product.abs().amax((-1, -2)))
    return product * torch.exp2(-power.double())[..., None, None], exponent + power


def _log10_spectrum(product: Tensor, exponent: Tensor) -> Tensor:
    values: Tensor = torch.linalg.svdvals(product)
    return values.log10() + exponent[..., None] * LOG10_2


def _operator(done: Pass, start: Tensor) -> tuple[Map, Map, Tensor]:
    """v -> J v and u -> J^T u, both divided by the power of two that is returned with them."""
    scales, total, v = list[Tensor](), torch.zeros_like(start[..., 0]), start[..., None]
    for layer in done.layers:
        v = layer.push(v)
        _, power = torch.frexp(v.abs().amax((-1, -2)))
        scales.append(torch.exp2(-power.double())[..., None, None])
        v, total = v * scales[-1], total + power

    def push(v: Tensor) -> Tensor:
        v = v[..., None]
        for layer, scale in zip(done.layers, scales, strict=True):
            v = layer.push(v) * scale
        return v[..., 0]

    def pull(u: Tensor) -> Tensor:
        u = u[..., None]
        for layer, scale in zip(reversed(done.layers), reversed(scales), strict=True):
            u = layer.pull(u) * scale
        return u[..., 0]

    return push, pull, total


def _bidiagonalise(done: Pass, v: Tensor, count: int, rank: int) -> tuple[Tensor, Tensor]:
    """Largest ``count`` singular values of the scaled J, (R, batch, count), and its exponent."""
    push, pull, exponent = _operator(done, v)
    u = push(v)
    left, right = u.new_zeros(rank, *u.shape), v.new_zeros(rank + 1, *v.shape)
    b = v.new_zeros(*v.shape[:2], rank, rank + 1)
    right[0], values = v, v.new_zeros(*v.shape[:2], count)
    for step in range(1, rank + 1):
        # J^T left = right B^T exactly, with B of step rows and step + 1 columns
        b[..., step - 1, step - 1], left[step - 1] = _new_direction(u, left[: step - 1])
        b[..., step - 1, step], right[step] = _new_direction(pull(left[step - 1]), right[:step])
        if step == rank or (step > count and step % CHECKED == 0):
            before, values = values, torch.linalg.svdvals(b[..., :step, : step + 1])[..., :count]
            if bool(((values - before).abs() <= SETTLED * values).all()):
                break
        u = push(right[step])
    return values, exponent[..., None]


def _new_direction(vector: Tensor, earlier: Tensor) -> tuple[Tensor, Tensor]:
    """What is left of a vector beside the earlier ones: its length, and its direction or 0."""
    for _ in range(2):  # once is not enough: twice is (Parlett)
        shares = (earlier * vector).sum(-1, keepdim=True)
        vector = vector - (shares * earlier).sum(0)
    size = vector.norm(dim=-1)
    return size, vector / torch.where(size > 0, size, 1.0)[..., None]
