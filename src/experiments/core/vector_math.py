"""tanh, exp and expm1 into memory that exists, by the fastest library at hand.

On a CPU torch hands these to a vendor's library that is several times slower on some processors
(tanh there costs as much as three matrix products of a narrow network); NumPy has vector loops of
its own for AVX2, AVX-512 and NEON, accurate to 2 units in the last place, and works on the same
memory. Everywhere else torch's own operator runs.

For the inner loop of a training step: no graph, no new memory.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: the types that NumPy's vector loops are written for
VECTORISED = (torch.float32, torch.float64)


def _by_numpy(ufunc: Any, operator: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], None]:
    def write(z: Tensor, out: Tensor) -> None:
        if z.is_cpu and z.dtype in VECTORISED:
            ufunc(z.numpy(), out=out.numpy())
        else:
            operator(z, out=out)

    return write


#: each (z, out): out receives f(z), may be z itself; z has no graph
write_tanh = _by_numpy(np.tanh, torch.tanh)
write_exp = _by_numpy(np.exp, torch.exp)
write_expm1 = _by_numpy(np.expm1, torch.expm1)
