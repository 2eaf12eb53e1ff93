"""Operations on preallocated tensors, prepared once and then called at every step.

A training step of a narrow network consists of hundreds of small operations on the same memory. Most
of its time is spent around the arithmetic: inspecting tensors, choosing a kernel, launching it. Each
function here inspects its tensors once and returns a call with everything chosen::

    steps = [product(delta, W, delta_prev), multiply(delta_prev, derivative, delta_prev)]
    for step in steps:
        step()

On a CPU the call goes to NumPy, on the same memory, where NumPy is faster: its ufuncs start in half
the time, it has its own vector loops for tanh and the exponentials (torch relies on a vendor library
that is several times slower on some processors), and with AVX-512 its BLAS has kernels for small
matrices.
Otherwise the call goes to torch.

No graph is recorded: the operations are for loops that differentiate by hand. Call them inside
:func:`quiet`.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.lib import introspect
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.scalar import ScalarFormula

Operation = Callable[[], object]
#: operations to call in this order
Operations = Sequence[Operation]

#: types for which NumPy has vector loops and matrix products
VECTORISED = (torch.float32, torch.float64)
#: elements up to which NumPy does an elementwise product; for more, torch uses several threads
SMALL_LOOP = 2**15
#: elements of a matrix up to which NumPy's BLAS adds its rows on one thread
SMALL_SUM = 2**13


def quiet() -> np.errstate:
    """A context in which NumPy overflows and underflows without a warning, as torch does."""
    return np.errstate(all="ignore")


def tanh(z: Tensor, out: Tensor) -> Operation:
    """out = tanh z; ``out`` may be z itself."""
    return _elementary(np.tanh, torch.tanh, z, out)


def exp(z: Tensor, out: Tensor) -> Operation:
    """out = e^z; ``out`` may be z itself."""
    return _elementary(np.exp, torch.exp, z, out)


def expm1(z: Tensor, out: Tensor) -> Operation:
    """out = e^z - 1; ``out`` may be z itself."""
    return _elementary(np.expm1, torch.expm1, z, out)


def sech_squared(z: Tensor, out: Tensor) -> Operation:
    """out = 1 / cosh(z)^2; z is not changed. Only for a z that satisfies :func:`has_fast_cosh`."""
    source, result = z.numpy(), out.numpy()

    def operation() -> None:
        np.cosh(source, out=result)
        np.multiply(result, result, out=result)
        np.divide(1.0, result, out=result)

    return operation


def has_fast_cosh(z: Tensor) -> bool:
    """Whether cosh z is as fast as tanh z: NumPy has a vector loop for it only with AVX-512."""
    return z.is_cpu and (np.cosh, z.dtype) in FASTER_BY_NUMPY


def has_compiler() -> bool:
    """Whether the optional package Numba, which compiles loops over scalar formulas, is installed."""
    return find_spec("numba") is not None


@cache
def compiler_problem() -> str | None:
    """Why Numba cannot compile here, or None if it can; to ask takes a third of a second the first time."""
    if not has_compiler():
        return "no Numba"
    try:
        from numba import config
    except Exception as error:  # noqa: BLE001  an installed package that does not fit NumPy may raise anything
        return f"a Numba that cannot be imported ({type(error).__name__}: {error})"
    off = config.DISABLE_JIT  # type: ignore[attr-defined]  # set when Numba is imported
    return "a Numba told not to compile (NUMBA_DISABLE_JIT)" if off else None


def require_compiler() -> None:
    """Refuse to go on without a Numba that compiles.

    Raises:
        ConfigurationError: with the reason.
    """
    problem = compiler_problem()
    if problem is not None:
        expected = "a Numba that works, to compile activations"
        remedy = (
            "python -m pip install numba, or compile nothing (trainer.numba=never, compile=False)"
        )
        raise ConfigurationError(describe(problem, expected, remedy))


def can_compile(*tensors: Tensor) -> bool:
    """Whether a compiled loop can run over these tensors."""
    return all(_by_numpy(tensor) and tensor.is_contiguous() for tensor in tensors)


def compiled(
    formula: ScalarFormula, z: Tensor, a: Tensor, derivative: Tensor, *numbers: float
) -> Operation:
    """a, derivative = formula(z, *numbers), in one compiled loop; only where :func:`can_compile`.

    Raises:
        ConfigurationError: if Numba is not there to compile.
        ValueError: if the three tensors differ in shape or type: the loop would leave their memory.
    """
    require_compiler()
    kinds = [f"{tuple(tensor.shape)} of {tensor.dtype}" for tensor in (z, a, derivative)]
    if len(set(kinds)) > 1:
        found = f"z, a and derivative that are {', '.join(kinds)}"
        raise ValueError(describe(found, "one shape and type", "give buffers like z"))
    from experiments.core.compiled import loop  # here, because Numba takes long to import

    arrays = [tensor.numpy().reshape(-1) for tensor in (z, a, derivative)]
    return partial(loop(formula, z.dtype), *arrays, *map(arrays[0].dtype.type, numbers))


def multiply(a: Tensor, b: Tensor, out: Tensor) -> Operation:
    """out = a * b, elementwise with broadcasting; ``out`` may be a or b."""
    if _by_numpy(out) and out.numel() <= SMALL_LOOP:
        result = out.numpy()
        left, right = (result if factor is out else factor.numpy() for factor in (a, b))
        return partial(np.multiply, left, right, out=result)
    return partial(torch.mul, a, b, out=out)


def product(A: Tensor, B: Tensor, out: Tensor) -> Operation:
    """out = A B, the product of two matrices or of two stacks of R matrices.

    Args:
        A: (m, k) or (R, m, k).
        B: (k, n) or (R, k, n).
        out: (m, n) or (R, m, n), sharing no memory with A and B.
    """
    if _is_small_product(A, out):
        return partial(_numpy_product(A), A.numpy(), B.numpy(), out=out.numpy())
    return partial(torch.bmm if A.dim() == 3 else torch.mm, A, B, out=out)


def product_with(A: Tensor, out: Tensor) -> Callable[[Tensor], object]:
    """:func:`product` whose second factor B is passed at the call."""
    if _is_small_product(A, out):
        ufunc, left, result = _numpy_product(A), A.numpy(), out.numpy()
        return lambda B: ufunc(left, B.numpy(), out=result)
    by_torch = torch.bmm if A.dim() == 3 else torch.mm
    return lambda B: by_torch(A, B, out=out)


def sum_of_rows(A: Tensor, out: Tensor) -> Operation:
    """out = the sum over the last axis but one: (m, n) -> (n,), (R, m, n) -> (R, n)."""
    if A.shape[-2] == 1:
        return partial(out.copy_, A.squeeze(-2))
    if _by_numpy(A) and A.shape[-2:].numel() <= SMALL_SUM:
        ones = A.new_ones(A.shape[-2]).numpy()
        # dot starts faster than matmul, but takes one matrix and contiguous memory only
        total = np.dot if A.dim() == 2 and out.is_contiguous() else np.matmul
        return partial(total, ones, A.numpy(), out=out.numpy())
    return partial(torch.sum, A, -2, out=out)


def _by_numpy(tensor: Tensor) -> bool:
    return tensor.is_cpu and tensor.dtype in VECTORISED


def _is_small_product(A: Tensor, out: Tensor) -> bool:
    low, high = SMALL_PRODUCT
    return _by_numpy(A) and low <= A.shape[-1] * out.shape[-2:].numel() <= high


def _numpy_product(A: Tensor) -> np.ufunc:
    """multiply for an outer product (a column times a row), at which matmul is slow; else matmul."""
    return np.multiply if A.shape[-1] == 1 else np.matmul


def _elementary(ufunc: Any, operator: Callable[..., Tensor], z: Tensor, out: Tensor) -> Operation:
    if z.is_cpu and (ufunc, z.dtype) in FASTER_BY_NUMPY:
        result = out.numpy()
        return partial(ufunc, result if z is out else z.numpy(), out=result)
    return partial(operator, z, out=out)


def _is_faster_by_numpy(ufunc: np.ufunc, dtype: torch.dtype) -> bool:
    """Whether NumPy's loop for this processor is faster than torch's.

    With AVX-512 it has one for every function. With AVX2 only its tanh in float32 is faster; in float64
    its tanh and exp take twice as long as torch's.
    """
    name, signature = ufunc.__name__, str(dtype).removeprefix("torch.")
    dispatch = introspect.opt_func_info(func_name=f"^{name}$", signature=signature)
    loops = [loop["current"] for loop in dispatch.get(name, {}).values()]
    if any(level in loop for level in AVX512 for loop in loops):
        return True
    vectorised = any(not loop.startswith("baseline") for loop in loops)
    return vectorised and (ufunc, dtype) == (np.tanh, torch.float32)


#: parts of the names that NumPy's versions give to AVX-512
AVX512 = ("X86_V4", "AVX512")
FASTER_BY_NUMPY = frozenset(
    pair
    for pair in itertools.product((np.tanh, np.exp, np.expm1, np.cosh), VECTORISED)
    if _is_faster_by_numpy(*pair)
)
#: whether this processor and NumPy have the wide registers
WIDE = (np.cosh, torch.float32) in FASTER_BY_NUMPY
#: multiply-adds of a matrix product for which NumPy is used. With fewer, torch's loop over a stack is
#: faster; with more, NumPy's BLAS gives up its kernel for small matrices, which it has for AVX-512 only,
#: and uses several threads
SMALL_PRODUCT = (2**5, 2**18 if WIDE else 2**13)
