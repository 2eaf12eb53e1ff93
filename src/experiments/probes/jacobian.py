r"""Singular values of the Jacobian of a live network, end to end or of a part of it.

    J = da^[l]/da^[k] = D^[l] W^[l] D^[l-1] W^[l-1] ... D^[k+1] W^[k+1],    D = diag(sigma'(z))

one J for every run and example. Values are log10: a product of a thousand sigmoid layers is smaller
than any float, so the dense product is rescaled by a power of two after every layer, and the powers
are carried beside it. Small singular values are right relative to the largest one, as in every dense
product.

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

#: Bidiagonalisation stops when the wanted values move by less than this share of themselves.
SETTLED = 1e-10
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
    for k in range(1, len(done.weight)):
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
    n_out, n_in = done.weight[-1].shape[1], done.weight[0].shape[2]
    rank = min(n_out, n_in)
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
    """D W times what is below, brought back to size one: (R, batch, n, columns) and (R, batch)."""
    weight = done.weight[k].double()[:, None]
    product = done.derivative[k].double()[..., None] * (weight if below is None else weight @ below)
    _, power = torch.frexp(product.abs().amax((-1, -2)))
    return product * torch.exp2(-power.double())[..., None, None], exponent + power


def _log10_spectrum(product: Tensor, exponent: Tensor) -> Tensor:
    values: Tensor = torch.linalg.svdvals(product)
    return values.log10() + exponent[..., None] * LOG10_2


def _operator(done: Pass, start: Tensor) -> tuple[Map, Map, Tensor]:
    """v -> J v and u -> J^T u, both divided by the power of two that is returned with them."""
    weights = [w.double() for w in done.weight]
    slopes, total, v = (
        [],
        torch.zeros(start.shape[:2], dtype=torch.int64, device=start.device),
        start,
    )
    for weight, slope in zip(weights, done.derivative, strict=True):
        v = slope.double() * (v @ weight.mT)
        _, power = torch.frexp(v.abs().amax(-1, keepdim=True))
        v, total = v * torch.exp2(-power.double()), total + power[..., 0]
        slopes.append(slope.double() * torch.exp2(-power.double()))

    def apply(v: Tensor) -> Tensor:
        for weight, slope in zip(weights, slopes, strict=True):
            v = slope * (v @ weight.mT)
        return v

    def apply_transposed(u: Tensor) -> Tensor:
        for weight, slope in zip(reversed(weights), reversed(slopes), strict=True):
            u = (u * slope) @ weight
        return u

    return apply, apply_transposed, total


def _bidiagonalise(done: Pass, v: Tensor, count: int, rank: int) -> tuple[Tensor, Tensor]:
    """Largest ``count`` singular values of the scaled J, (R, batch, count), and its exponent."""
    apply, apply_transposed, exponent = _operator(done, v)
    left, right = list[Tensor](), [v]
    diagonal, above = list[Tensor](), list[Tensor]()
    before = torch.zeros(*v.shape[:2], count, dtype=v.dtype, device=v.device)
    for step in range(1, rank + 1):
        size, u = _new_direction(apply(right[-1]), left)
        diagonal.append(size)
        left.append(u)
        bidiagonal = torch.diag_embed(torch.stack(diagonal, -1))
        if above:
            bidiagonal = bidiagonal + torch.diag_embed(torch.stack(above, -1), offset=1)
        if step >= count:
            values = torch.linalg.svdvals(bidiagonal)[..., :count]
            if step > count + 2 and bool(((values - before).abs() <= SETTLED * values).all()):
                break
            before = values
        size, v = _new_direction(apply_transposed(u), right)
        above.append(size)
        right.append(v)
    return values, exponent[..., None]


def _new_direction(vector: Tensor, earlier: list[Tensor]) -> tuple[Tensor, Tensor]:
    """What is left of a vector beside the earlier ones: its length and its direction, 0 for nothing."""
    if earlier:
        basis = torch.stack(earlier, -2)
        for _ in range(2):  # once is not enough: twice is (Parlett)
            vector = vector - (vector.unsqueeze(-2) @ basis.mT @ basis).squeeze(-2)
    size = vector.norm(dim=-1)
    return size, vector / torch.where(size > 0, size, 1.0)[..., None]
