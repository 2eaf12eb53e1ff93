"""What torch can do with the activations: one function per row of docs/support-matrix.md.

``python -m tests.activations.support`` computes every cell and writes the page's tables again;
``python -m tests.activations.support compiled`` prints the compiler's rows as JSON. The compiler is
asked in a process of its own, because it cannot trace the shape checks that a test run switches on.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tests.activations.rooms import DEFAULTS, oracle_of, room_name
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.functional import jacobian

from experiments.core.activation import Activation

PAGE = Path(__file__).parents[2] / "docs" / "support-matrix.md"
POINTS = (-3.0, -1.1, -0.4, 0.3, 1.2, 2.5)
Check = Callable[[Activation], None]


def points(dtype: torch.dtype = torch.float64) -> Tensor:
    """Six points away from every kink."""
    return torch.tensor(POINTS, dtype=dtype)


def exact(sigma: Activation, order: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The oracle at the six points."""
    return torch.tensor([float(oracle_of(sigma)[order](z)) for z in POINTS], dtype=dtype)


def close(found: Tensor, expected: Tensor, rtol: float = 1e-12) -> None:
    """Equal to ``rtol``."""
    torch.testing.assert_close(found, expected, rtol=rtol, atol=1e-15)


def total(sigma: Activation) -> Callable[[Tensor], Tensor]:
    """The sum of sigma over its arguments, a scalar function."""
    return lambda z: sigma(z).sum()


# -- eager torch --------------------------------------------------------------------------------------


def backward(sigma: Activation) -> None:
    """x.grad, against finite differences."""
    gradcheck(sigma, points().requires_grad_())


def double_backward(sigma: Activation) -> None:
    """The gradient of the gradient, against finite differences."""
    gradgradcheck(sigma, points().requires_grad_())


def batched_gradients(sigma: Activation) -> None:
    """is_grads_batched, once and twice."""
    gradcheck(sigma, points().requires_grad_(), check_batched_grad=True)
    gradgradcheck(sigma, points().requires_grad_(), check_batched_grad=True)


def forward_mode(sigma: Activation) -> None:
    """Dual numbers, alone and batched."""
    options = {"check_forward_ad": True, "check_batched_forward_grad": True}
    gradcheck(sigma, points().requires_grad_(), check_backward_ad=False, **options)


def forward_over_reverse(sigma: Activation) -> None:
    """Dual numbers through the backward, against finite differences."""
    gradgradcheck(sigma, points().requires_grad_(), check_fwd_over_rev=True)


def forward_over_forward(sigma: Activation) -> None:
    """jacfwd of jacfwd; torch alone gives zeros for a custom function here."""
    twice = torch.func.jacfwd(torch.func.jacfwd(total(sigma)))
    close(twice(points()).diagonal(), exact(sigma, 2))


def functorch_grad(sigma: Activation) -> None:
    """torch.func.grad."""
    close(torch.func.grad(total(sigma))(points()), exact(sigma, 1))


def functorch_vjp(sigma: Activation) -> None:
    """torch.func.vjp."""
    _, pull_back = torch.func.vjp(sigma, points())
    close(pull_back(torch.ones(6).double())[0], exact(sigma, 1))


def functorch_jvp(sigma: Activation) -> None:
    """torch.func.jvp: value and tangent."""
    value, tangent = torch.func.jvp(sigma, (points(),), (torch.ones(6).double(),))
    close(value, exact(sigma, 0))
    close(tangent, exact(sigma, 1))


def functorch_vmap(sigma: Activation) -> None:
    """torch.func.vmap over either axis."""
    for axis in (0, 1):
        mapped = torch.func.vmap(sigma, in_dims=axis, out_dims=axis)(points().reshape(2, 3))
        close(mapped, exact(sigma, 0).reshape(2, 3))


def functorch_vmap_grad(sigma: Activation) -> None:
    """torch.func.vmap of torch.func.grad: per-example gradients."""
    close(torch.func.vmap(torch.func.grad(sigma))(points()), exact(sigma, 1))


def functorch_jacrev(sigma: Activation) -> None:
    """torch.func.jacrev, and torch.autograd.functional.jacobian."""
    close(torch.func.jacrev(sigma)(points()), exact(sigma, 1).diag())
    close(jacobian(sigma, points(), vectorize=True), exact(sigma, 1).diag())


def functorch_jacfwd(sigma: Activation) -> None:
    """torch.func.jacfwd."""
    close(torch.func.jacfwd(sigma)(points()), exact(sigma, 1).diag())


def functorch_hessian(sigma: Activation) -> None:
    """torch.func.hessian, forward over reverse."""
    close(torch.func.hessian(total(sigma))(points()), exact(sigma, 2).diag())


def derivative_differentiated(sigma: Activation) -> None:
    """sigma.derivative as a function of its own: backward twice, forward mode, batched."""
    options = {"check_forward_ad": True, "check_batched_grad": True}
    gradcheck(sigma.derivative, points().requires_grad_(), **options)
    gradgradcheck(sigma.derivative, points().requires_grad_(), check_fwd_over_rev=True)


def autocast(sigma: Activation) -> None:
    """In an autocast region, after a product in a 16-bit type; the backward runs outside of it."""
    for dtype in (torch.bfloat16, torch.float16):
        z, one = points(torch.float32).requires_grad_(), torch.eye(6)
        with torch.autocast("cpu", dtype=dtype):
            a = sigma(one @ z)
        a.float().sum().backward()
        assert a.dtype == dtype
        close(a.float(), exact(sigma, 0, torch.float32), rtol=2e-2)
        close(z.grad, exact(sigma, 1, torch.float32), rtol=4e-2)


EAGER: dict[str, Check] = {
    "backward": backward,
    "double backward": double_backward,
    "batched gradients": batched_gradients,
    "forward mode": forward_mode,
    "forward over reverse": forward_over_reverse,
    "forward over forward": forward_over_forward,
    "`func.grad`": functorch_grad,
    "`func.vjp`": functorch_vjp,
    "`func.jvp`": functorch_jvp,
    "`func.vmap`": functorch_vmap,
    "`func.vmap(grad)`": functorch_vmap_grad,
    "`func.jacrev`": functorch_jacrev,
    "`func.jacfwd`": functorch_jacfwd,
    "`func.hessian`": functorch_hessian,
    "`.derivative(z)` differentiated": derivative_differentiated,
    "autocast": autocast,
}


# -- compiled -----------------------------------------------------------------------------------------


def compile_and_backward(sigma: Activation) -> None:
    """torch.compile(fullgraph=True), then backward; again for sigma'."""
    z = points().requires_grad_()
    value = torch.compile(sigma, fullgraph=True)(z)
    close(value.detach(), exact(sigma, 0))
    close(torch.autograd.grad(value.sum(), z)[0], exact(sigma, 1))
    slope = torch.compile(sigma.derivative, fullgraph=True, backend="aot_eager")(z)
    close(slope.detach(), exact(sigma, 1))
    close(torch.autograd.grad(slope.sum(), z)[0], exact(sigma, 2))


def compile_vmap(sigma: Activation) -> None:
    """The values of a compiled vmap."""
    mapped = torch.compile(torch.func.vmap(sigma), fullgraph=True, backend="aot_eager")
    close(mapped(points().reshape(2, 3)), exact(sigma, 0).reshape(2, 3))


def compile_double_backward(sigma: Activation) -> None:
    """Two backward passes through a compiled function."""
    z = points().requires_grad_()
    value = torch.compile(sigma, fullgraph=True, backend="aot_eager")(z)
    (slope,) = torch.autograd.grad((value * value).sum(), z, create_graph=True)
    torch.autograd.grad(slope.sum(), z)


def compile_grad(sigma: Activation) -> None:
    """torch.compile(torch.func.grad(f)), left to eager torch by the refusal."""
    compiled = torch.compile(torch.func.grad(total(sigma)), backend="aot_eager")
    close(compiled(points()), exact(sigma, 1))


def compile_grad_fullgraph(sigma: Activation) -> None:
    """The same with fullgraph=True, which would take the operators of the forward."""
    torch.compile(torch.func.grad(total(sigma)), fullgraph=True)(points())


def compile_vmap_grad_fullgraph(sigma: Activation) -> None:
    """torch.compile(torch.func.vmap(torch.func.grad(f)), fullgraph=True)."""
    torch.compile(torch.func.vmap(torch.func.grad(sigma)), fullgraph=True)(points())


def compile_jvp_fullgraph(sigma: Activation) -> None:
    """torch.compile of a function that calls torch.func.jvp."""
    ones = torch.ones(6, dtype=torch.float64)
    torch.compile(lambda z: torch.func.jvp(sigma, (z,), (ones,))[1], fullgraph=True)(points())


COMPILED: dict[str, Check] = {
    "`compile(f, fullgraph=True)`, backward": compile_and_backward,
    "`compile(vmap(f), fullgraph=True)`": compile_vmap,
    "compiled double backward": compile_double_backward,
    "`compile(func.grad(f))`": compile_grad,
    "`compile(func.grad(f), fullgraph=True)`": compile_grad_fullgraph,
    "`compile(vmap(grad(f)), fullgraph=True)`": compile_vmap_grad_fullgraph,
    "`compile(func.jvp(f), fullgraph=True)`": compile_jvp_fullgraph,
}


def cell(check: Check, sigma: Activation) -> str:
    """``yes``, or ``refused`` with an error that says why; wrong numbers are raised."""
    torch._dynamo.reset()
    try:
        check(sigma)
    except AssertionError:
        raise
    except RuntimeError as error:  # torch._dynamo.exc.Unsupported is one
        reasons = ("ignores hand-written rules", "does not currently support double backward")
        if not any(reason in str(error) for reason in reasons):
            raise
        return "refused"
    return "yes"


def table(checks: dict[str, Check]) -> dict[str, dict[str, str]]:
    """Row, then room, then cell."""
    return {
        row: {room_name(sigma): cell(check, sigma) for sigma in DEFAULTS}
        for row, check in checks.items()
    }


def rendered(rows: dict[str, dict[str, str]]) -> str:
    """The table as Markdown."""
    rooms = [room_name(sigma) for sigma in DEFAULTS]
    lines = [["", *rooms], ["---"] * (len(rooms) + 1)]
    lines += [[row, *(cells[room] for room in rooms)] for row, cells in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def computed(name: str) -> tuple[str, str, str]:
    """The page before one of its computed tables, the table, and the page after it."""
    before, opening, rest = PAGE.read_text().partition(f"<!-- computed: {name} -->\n\n")
    found, closing, after = rest.partition(f"\n\n<!-- end of {name} -->")
    return before + opening, found, closing + after


def write(name: str, checks: dict[str, Check]) -> None:
    """Compute one table of the page again."""
    before, _, after = computed(name)
    PAGE.write_text(before + rendered(table(checks)) + after)


if __name__ == "__main__":
    if sys.argv[1:] == ["compiled"]:
        sys.stdout.write(json.dumps(table(COMPILED)))
    else:
        write("eager", EAGER)
        write("compiled", COMPILED)
