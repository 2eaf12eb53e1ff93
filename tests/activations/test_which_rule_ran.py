"""Which derivative does torch really use? A rule that is wrong on purpose tells.

The Function below has the right value and a gradient of 100. Wherever 100 comes out, the hand-written
rule ran; a right gradient would mean that torch differentiated the operators of the forward instead.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.core.elementwise import Elementwise, apply

WRONG = 100.0


class Wrong(Elementwise):
    """A sigmoid that claims a slope of 100."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return torch.sigmoid(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * torch.full_like(z, WRONG)


def guarded(z: Tensor) -> Tensor:
    """The rule as the rooms call it."""
    return apply(Wrong, z).sum()


def bare(z: Tensor) -> Tensor:
    """The rule as torch alone would have it."""
    return Wrong.apply(z).sum()


def backward(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """The gradient by a backward pass."""
    z = z.clone().requires_grad_()
    return torch.autograd.grad(f(z), z)[0]


def forward_mode(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """The gradient by one tangent for each entry."""
    return torch.stack([torch.func.jvp(f, (z,), (row,))[1] for row in torch.eye(len(z))])


PATHS: dict[str, Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]] = {
    "backward": backward,
    "func.grad": lambda f, z: torch.func.grad(f)(z),
    "func.vmap(grad)": lambda f, z: torch.func.vmap(torch.func.grad(f))(z[:, None])[:, 0],
    "func.jacrev": lambda f, z: torch.func.jacrev(f)(z),
    "func.jacfwd": lambda f, z: torch.func.jacfwd(f)(z),
    "func.jvp": forward_mode,
}


@pytest.mark.parametrize("path", PATHS)
def test_eager_torch_runs_the_hand_written_rule(path) -> None:
    """Every eager way to a gradient uses our backward, read forwards where it must be."""
    assert PATHS[path](guarded, torch.linspace(-2, 2, 3)).tolist() == [WRONG] * 3


def compiled_answers() -> dict[str, Any]:
    """What the compiler does, for a process of its own: a gradient, or the error's text."""

    def answer(run: Callable[[], Tensor]) -> Any:
        torch._dynamo.reset()
        try:
            return run().tolist()
        except RuntimeError as error:
            return str(error)

    z = torch.linspace(-2, 2, 3)
    compile_ = torch.compile
    return {
        "compile, backward": answer(
            lambda: backward(compile_(guarded, fullgraph=True, backend="aot_eager"), z)
        ),
        "compile(grad)": answer(
            lambda: compile_(torch.func.grad(guarded), backend="aot_eager")(z),
        ),
        "compile(grad), fullgraph": answer(
            lambda: compile_(torch.func.grad(guarded), fullgraph=True, backend="aot_eager")(z),
        ),
        "bare compile(grad)": answer(
            lambda: compile_(torch.func.grad(bare), fullgraph=True, backend="aot_eager")(z),
        ),
    }


@pytest.mark.slow
def test_the_compiler_runs_the_hand_written_rule_or_refuses() -> None:
    """Compiled backward: our rule. Compiled func.grad: left to eager torch, or an error; never another.

    Torch alone silently differentiates the operators of the forward there. Should the last line fail
    with a newer torch, torch has learned to ask the rule, and the refusal can go.
    """
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.activations.test_which_rule_ran"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    answers = json.loads(done.stdout)
    assert answers["compile, backward"] == [WRONG] * 3
    assert answers["compile(grad)"] == [WRONG] * 3
    assert "ignores hand-written rules" in answers["compile(grad), fullgraph"]
    slope = [0.10499358540350662, 0.25, 0.10499358540350662]
    assert answers["bare compile(grad)"] == pytest.approx(slope)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(compiled_answers()))
