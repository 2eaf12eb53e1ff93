"""The cost of each way to compute the input gradient, counted in multiply-adds.

A multiply-add is one multiplication together with the addition of its result to a sum; scaling by a
diagonal entry counts as one. The evaluation of sigma and sigma' is not counted, because every way needs
one of each per neuron.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import index
from typing import SupportsIndex

from numpy import ndarray

from experiments.core.errors import ConfigurationError, describe
from experiments.core.whole import is_whole


@dataclass(frozen=True)
class MultiplyAdds:
    """Multiply-adds for one example, including the forward pass that every way needs.

    Attributes:
        forward_pass: z^[2] .. z^[L] only: the sum of n_l n_{l-1}.
        reverse: the column form of note 001; n_L vectors pass through (W^[l])^T D^[l].
        row: note 000 as written, where every matrix D^[l] W^[l] is formed first.
        forward_mode: J^[l] = D^[l] W^[l] J^[l-1], n_1 columns.
        finite_differences: central differences, 2 n_1 forward passes.
    """

    forward_pass: int
    reverse: int
    row: int
    forward_mode: int
    finite_differences: int


def multiply_adds(widths: Sequence[SupportsIndex] | ndarray) -> MultiplyAdds:
    """Count the multiply-adds of the Jacobian da^[L]/dx of one example.

    Formulas, with F = sum_l n_l n_{l-1} over l = 2 .. L::

        reverse             F + n_L sum_l n_l (n_{l-1} + 1)
        row                 F + sum_l n_l n_{l-1} + n_L sum_{l<L} n_l n_{l-1}
        forward mode        F + n_2 n_1 + n_1 sum_{l>2} n_l (n_{l-1} + 1)
        finite differences  2 n_1 F

    Args:
        widths: (n_1, ..., n_L), as an MLP takes them.

    Raises:
        ConfigurationError: for fewer than two widths, or one that is not a positive integer.

    Example:
        A 100-dimensional input, three hidden layers of 100, one output:

        >>> count = multiply_adds((100, 100, 100, 100, 1))
        >>> count.forward_pass, count.reverse, count.row, count.forward_mode
        (30100, 60501, 90200, 2070200)

    References:
        Baydin et al. (2018), section 3.2, for the two modes in general.
    """
    if len(widths) < 2 or not all(is_whole(n, 1) for n in widths):
        expected = "(n_1, ..., n_L), at least two positive whole numbers"
        raise ConfigurationError(
            describe(
                f"widths={tuple(widths)}", expected, "give the widths of the network, input first"
            )
        )
    counts = [index(n) for n in widths]
    n_in, n_out = counts[0], counts[-1]
    pairs = [(n, n_prev) for n_prev, n in pairwise(counts)]
    forward = sum(n * n_prev for n, n_prev in pairs)
    below_output = sum(n * n_prev for n, n_prev in pairs[:-1])
    return MultiplyAdds(
        forward_pass=forward,
        reverse=forward + n_out * sum(n * (n_prev + 1) for n, n_prev in pairs),
        row=forward + forward + n_out * below_output,
        forward_mode=forward
        + pairs[0][0] * n_in
        + n_in * sum(n * (n_prev + 1) for n, n_prev in pairs[1:]),
        finite_differences=2 * n_in * forward,
    )
