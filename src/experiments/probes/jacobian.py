r"""Singular values of the Jacobian of a live network, or of a range of its layers.

    J = da^[l]/da^[k] = D^[l] W^[l] D^[l-1] W^[l-1] ... D^[k+1] W^[k+1],    D = diag(sigma'(z))

for every run and example, including identity skips and layer normalisation. Values are returned as log10:
the product of a thousand sigmoid layers is smaller than any float, so the product is rescaled by a power
of two after every layer, and the exponents are summed. Small singular values are accurate relative to
the largest one, as in every dense product. If a Jacobian is not finite, its values are NaN.

Dense: all values, O(n^3) per layer. Matrix-free, for wide networks: the largest values, by block
Golub-Kahan bidiagonalisation with full reorthogonalisation, O(n^2) per layer and step. The block has as
many vectors as values are requested, because a single starting vector finds a multiple value only once.

References:
    Pennington, Schoenholz & Ganguli (2017); Golub & Kahan (1965); Golub, Luk & Overton (1981) for blocks.
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

#: Bidiagonalisation stops when the relative change of the values within CHECKED steps of the block is
#: less than SETTLED.
SETTLED, CHECKED = 1e-8, 5
#: A direction whose part orthogonal to the earlier ones is smaller than this, relatively, is rounding.
NOTHING_NEW = 1e-13
#: Up to this exponent, powers of two and their inverses are normal numbers.
LARGEST_POWER = 1000
LOG10_2 = math.log10(2)


def log10_singular_values(
    net: MLP, x: Float[Tensor, "*batch n_in"], first: int = 0, last: int | None = None
) -> Float64[Tensor, "*runs batch values"]:
    """log10 of all singular values, in falling order; -inf for an exact 0.

    Args:
        net: one network or a stack.
        x: the inputs at which the Jacobian is computed.
        first: index in ``net.weights`` of the first layer of the product.
        last: index of the last layer, inclusive; None is the output layer.

    Raises:
        ValueError: for an empty or impossible range of layers.

    Example:
        In an orthogonal linear network every singular value is 1, at any depth:

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Orthogonal
        >>> net = MLP((3, 3, 3, 3), Identity(), Orthogonal(), seed=0)
        >>> bool(log10_singular_values(net, torch.ones(1, 3)).abs().max() < 1e-6)
        True
    """
    layers = _range(net, first, last)
    measured = forward(net, x)
    product, exponent = _layer(measured, layers.start)
    for k in layers[1:]:
        product, exponent = _layer(measured, k, product, exponent)
    return measured.shaped(_log10_spectrum(product, exponent), 0)


def log10_partial_singular_values(
    net: MLP, x: Float[Tensor, "*batch n_in"]
) -> list[Float64[Tensor, "*runs batch values"]]:
    """log10 of the singular values of every partial product: entry k is for da^[k+2]/da^[1]."""
    measured = forward(net, x)
    product, exponent = _layer(measured, 0)
    spectra = [_log10_spectrum(product, exponent)]
    for k in range(1, len(measured.layers)):
        product, exponent = _layer(measured, k, product, exponent)
        spectra.append(_log10_spectrum(product, exponent))
    return [measured.shaped(spectrum, 0) for spectrum in spectra]


def log10_largest_singular_values(
    net: MLP, x: Float[Tensor, "*batch n_in"], count: int = 1
) -> Float64[Tensor, "*runs batch count"]:
    """log10 of the ``count`` largest singular values of da^[L]/dx, without forming the matrix product.

    The starting vectors are fixed, so no random numbers are drawn.

    Raises:
        ValueError: if there are not ``count`` singular values.
    """
    measured = forward(net, x)
    n_in, rank = net.widths[0], min(net.widths[0], net.widths[-1])
    if not 1 <= count <= rank:
        raise ValueError(describe(f"count={count}", f"1 to {rank}", "ask for fewer values"))
    numbers = torch.arange(1.0, count * n_in + 1, dtype=torch.float64, device=x.device)
    start = torch.linalg.qr(torch.cos(numbers**2).view(count, n_in).mT).Q.mT
    block = start[:, None, None].expand(-1, *measured.z[0].shape[:2], -1)
    values, exponent = _bidiagonalise(measured, block, min(n_in, rank + count))
    return measured.shaped(values.log10() + exponent * LOG10_2, 0)


def spectrum_spread(log10_values: Float[Tensor, "*batch values"]) -> Float[Tensor, "*batch"]:
    """Variance over squared mean of the squared singular values; it does not depend on their scale.

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
    measured: Pass, k: int, below: Tensor | None = None, exponent: Tensor | int = 0
) -> tuple[Tensor, Tensor]:
    """One layer times the product below, normalised: (R, batch, n, columns), and exponents (R, batch)."""
    layer = measured.layers[k]
    if below is None:
        below = torch.eye(layer.weight.shape[-1], dtype=torch.float64, device=layer.weight.device)
        below = below.expand(*layer.slope.shape[:2], -1, -1)
    product, power = _near_one(layer.push(below))
    return product, exponent + power


def _near_one(product: Tensor) -> tuple[Tensor, Tensor]:
    """The product divided by a power of two, so that its largest entry is about 1, and the exponent."""
    largest = product.abs().amax((-1, -2))
    _, power = torch.frexp(largest)
    power = torch.where(largest.isfinite(), power, 0).clamp(-LARGEST_POWER, LARGEST_POWER)
    return product * torch.exp2(-power.double())[..., None, None], power


def _log10_spectrum(product: Tensor, exponent: Tensor) -> Tensor:
    return _singular_values(product).log10() + exponent[..., None] * LOG10_2


def _singular_values(matrices: Tensor) -> Tensor:
    """Singular values of every matrix; NaN for those that are not finite, which svdvals would refuse."""
    finite = matrices.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
    values = torch.linalg.svdvals(torch.where(finite, matrices, 0.0))
    return torch.where(finite[..., 0], values, torch.nan)


def _operator(measured: Pass, start: Tensor) -> tuple[Map, Map, Tensor]:
    """v -> J v and u -> J^T u, both divided by a power of two, and its exponent."""
    scales, total, v = list[Tensor](), torch.zeros_like(start[..., 0]), start[..., None]
    for layer in measured.layers:
        v, power = _near_one(layer.push(v))
        scales.append(torch.exp2(-power.double())[..., None, None])
        total = total + power

    def push(v: Tensor) -> Tensor:
        v = v[..., None]
        for layer, scale in zip(measured.layers, scales, strict=True):
            v = layer.push(v) * scale
        return v[..., 0]

    def pull(u: Tensor) -> Tensor:
        u = u[..., None]
        for layer, scale in zip(reversed(measured.layers), reversed(scales), strict=True):
            u = layer.pull(u) * scale
        return u[..., 0]

    return push, pull, total


def _bidiagonalise(measured: Pass, block: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Largest singular values of the scaled J, as many as the block has rows, and its exponent.

    The block is (count, R, batch, n_in), orthonormal; the values are (R, batch, count).
    """
    push, pull, exponent = _operator(measured, block[0])
    count, u = len(block), push(block[0])
    left, images = u.new_zeros(steps, *u.shape), u.new_zeros(steps, *u.shape)
    right = torch.cat([block, block.new_zeros(steps, *block.shape[1:])])
    values = u.new_zeros(*u.shape[:2], count)
    for step in range(steps):
        images[step] = push(right[step])
        left[step] = _new_direction(images[step], left[:step])
        right[step + count] = _new_direction(pull(left[step]), right[: step + count])
        done = step + 1
        if done == steps or done % (CHECKED * count) == 0:
            before, values = values, _largest_of(images[:done], count)
            if not bool(((values - before).abs() > SETTLED * values).any()):
                break
    return values, exponent[..., None]


def _largest_of(images: Tensor, count: int) -> Tensor:
    """Largest singular values of J on the span of the right directions, from their images."""
    return _singular_values(images.movedim(0, -1))[..., :count]


def _new_direction(vector: Tensor, earlier: Tensor) -> Tensor:
    """The unit vector along the part of ``vector`` orthogonal to the earlier ones; 0 if there is none."""
    original = vector.norm(dim=-1, keepdim=True)
    for _ in range(2):  # Gram-Schmidt needs two passes to be orthogonal up to rounding (Parlett)
        projections = (earlier * vector).sum(-1, keepdim=True)
        vector = vector - (projections * earlier).sum(0)
    norm = vector.norm(dim=-1, keepdim=True)
    direction: Tensor = torch.where(norm > NOTHING_NEW * original, vector / norm, 0.0)
    return direction
