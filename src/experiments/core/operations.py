"""Operations on preallocated tensors, bound once and then called again and again.

A training step of a narrow network is hundreds of small operations on the same memory. The time goes
into what surrounds the arithmetic: looking tensors up, choosing a kernel, starting it. Each function
here looks at its tensors once and returns the operation with everything chosen::

    steps = [product(delta, W, delta_prev), multiply(delta_prev, derivative, delta_prev)]
    for step in steps:
        step()

On a CPU the operation is NumPy's where that is faster, on the same memory: its ufuncs start in half
the time, have vector loops of their own for tanh and the exponentials (torch leaves these to a
vendor's library that is several times slower on some processors), and small matrices are multiplied
by a BLAS with kernels for them. Everything else is torch's own operator.

They record no graph: they are for loops that differentiate by hand. Call them inside :func:`quiet`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.lib import introspect
from torch import Tensor

Operation = Callable[[], object]
#: to be called in order
Operations = Sequence[Operation]

#: the types that NumPy has vector loops and matrix products for
VECTORISED = (torch.float32, torch.float64)
#: multiply-adds of one matrix product that NumPy is given. With fewer, torch's loop over a stack is
#: faster; with more, NumPy's BLAS leaves its kernel for small matrices and the calling thread
SMALL_PRODUCT = (2**5, 2**18)
#: elements up to which NumPy is given an elementwise product; for more, torch uses several threads
SMALL_LOOP = 2**15
#: elements of a matrix up to which NumPy's BLAS adds its rows on the calling thread
SMALL_SUM = 2**13


def quiet() -> np.errstate:
    """Inside, NumPy's operations overflow and lose digits without a warning, as torch's do."""
    return np.errstate(all="ignore")


def tanh(z: Tensor, out: Tensor) -> Operation:
    """``out`` receives tanh z; it may be z itself."""
    return _elementary(np.tanh, torch.tanh, z, out)


def exp(z: Tensor, out: Tensor) -> Operation:
    """``out`` receives e^z; it may be z itself."""
    return _elementary(np.exp, torch.exp, z, out)


def expm1(z: Tensor, out: Tensor) -> Operation:
    """``out`` receives e^z - 1; it may be z itself."""
    return _elementary(np.expm1, torch.expm1, z, out)


def sech_squared(z: Tensor, out: Tensor) -> Operation:
    """``out`` receives 1 / cosh(z)^2; z is kept. Only for a z of which :func:`has_fast_cosh` holds."""
    at, room = z.numpy(), out.numpy()

    def operation() -> None:
        np.cosh(at, out=room)
        np.multiply(room, room, out=room)
        np.divide(1.0, room, out=room)

    return operation


def has_fast_cosh(z: Tensor) -> bool:
    """Whether cosh z costs no more than tanh z: NumPy has a vector loop for it with AVX-512 only."""
    return _by_numpy(z) and np.cosh not in WITHOUT_VECTOR_LOOP


def multiply(a: Tensor, b: Tensor, out: Tensor) -> Operation:
    """``out`` receives a * b, element by element and broadcast; it may be either of them."""
    if _by_numpy(out) and out.numel() <= SMALL_LOOP:
        room = out.numpy()
        left, right = (room if factor is out else factor.numpy() for factor in (a, b))
        return partial(np.multiply, left, right, out=room)
    return partial(torch.mul, a, b, out=out)


def product(A: Tensor, B: Tensor, out: Tensor) -> Operation:
    """``out`` receives the matrix product A B, of two matrices or of two stacks of R.

    Args:
        A: (m, k) or (R, m, k).
        B: (k, n) or (R, k, n).
        out: (m, n) or (R, m, n), sharing no memory with A and B.
    """
    if _is_small_product(A, out):
        return partial(_numpy_product(A), A.numpy(), B.numpy(), out=out.numpy())
    return partial(torch.bmm if A.dim() == 3 else torch.mm, A, B, out=out)


def product_with(A: Tensor, out: Tensor) -> Callable[[Tensor], object]:
    """:func:`product` with B given at the call."""
    if _is_small_product(A, out):
        multiplied, left, room = _numpy_product(A), A.numpy(), out.numpy()
        return lambda B: multiplied(left, B.numpy(), out=room)
    by_torch = torch.bmm if A.dim() == 3 else torch.mm
    return lambda B: by_torch(A, B, out=out)


def sum_of_rows(A: Tensor, out: Tensor) -> Operation:
    """``out`` receives the sum over the last axis but one: (m, n) -> (n,), (R, m, n) -> (R, n)."""
    if A.shape[-2] == 1:
        return partial(out.copy_, A.squeeze(-2))
    if _by_numpy(A) and A.shape[-2:].numel() <= SMALL_SUM:
        ones = A.new_ones(A.shape[-2]).numpy()
        # dot starts sooner, for one matrix and memory in one piece
        total = np.dot if A.dim() == 2 and out.is_contiguous() else np.matmul
        return partial(total, ones, A.numpy(), out=out.numpy())
    return partial(torch.sum, A, -2, out=out)


def _by_numpy(tensor: Tensor) -> bool:
    return tensor.is_cpu and tensor.dtype in VECTORISED


def _is_small_product(A: Tensor, out: Tensor) -> bool:
    low, high = SMALL_PRODUCT
    return _by_numpy(A) and low <= A.shape[-1] * out.shape[-2:].numel() <= high


def _numpy_product(A: Tensor) -> np.ufunc:
    """A column times a row is an outer product, which matmul is slow at."""
    return np.multiply if A.shape[-1] == 1 else np.matmul


def _elementary(ufunc: Any, operator: Callable[..., Tensor], z: Tensor, out: Tensor) -> Operation:
    if _by_numpy(z) and ufunc not in WITHOUT_VECTOR_LOOP:
        room = out.numpy()
        return partial(ufunc, room if z is out else z.numpy(), out=room)
    return partial(operator, z, out=out)


def _without_vector_loop(*ufuncs: np.ufunc) -> frozenset[np.ufunc]:
    """Which of these NumPy computes one number at a time on this processor."""
    found = introspect.opt_func_info(func_name="^(cosh|expm1)$", signature="float32")
    targets = {ufunc: found.get(ufunc.__name__, {"": {"current": "baseline"}}) for ufunc in ufuncs}
    return frozenset(
        ufunc
        for ufunc, loops in targets.items()
        if any(loop["current"].startswith("baseline") for loop in loops.values())
    )


#: tanh and exp have vector loops everywhere
WITHOUT_VECTOR_LOOP = _without_vector_loop(np.cosh, np.expm1)
