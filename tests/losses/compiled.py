"""``python -m tests.losses.compiled``: every loss through the compiler; prints the names that agree.

All rooms are traced whole (``fullgraph``) by dynamo and AOT autograd; the first is compiled to machine
code as well, once for all, since that takes long and the operators are ordinary ones.
"""

import sys

import torch

import experiments.losses
from experiments.core.loss import Loss
from experiments.losses import HalfSquaredError


def agree(loss: Loss, backend: str) -> bool:
    """Whether compiled and eager have one cost and one gradient, delta / batch."""
    z = torch.randn(2, 5, 4, requires_grad=True)
    t = torch.randint(4, (5,))
    compiled = torch.compile(lambda y: loss(3 * y, t), fullgraph=True, backend=backend)
    cost = compiled(z)
    (gradient,) = torch.autograd.grad(cost.sum(), z)
    return torch.allclose(cost, loss(3 * z, t), rtol=1e-5) and torch.allclose(
        gradient, 3 * loss.delta(3 * z, t) / 5, rtol=1e-5, atol=1e-8
    )


def keep_their_delta() -> bool:
    """A compiled torch.func.grad would ignore delta: it is left to eager torch, or refused."""
    loss, z, t = HalfSquaredError(link="sigmoid"), torch.tensor([[20.0]]), torch.tensor([[0.0]])
    gradient = torch.func.grad(lambda y: loss(y, t))
    found = torch.compile(gradient, backend="aot_eager")(z)
    torch._dynamo.reset()
    try:
        torch.compile(gradient, backend="aot_eager", fullgraph=True)(z)
    except Exception as error:  # noqa: BLE001  torch wraps the refusal in a type of its own
        refused = "ignores hand-written rules" in str(error)
    else:
        refused = False
    # sigma'(20) has no digits where it is computed from a rounded output
    return refused and torch.allclose(found, torch.tensor([[2.0611537e-09]]), atol=0.0)


if __name__ == "__main__":
    if not keep_their_delta():
        raise SystemExit("a compiled torch.func.grad ignored a loss's delta")
    backend = "inductor"
    for name in experiments.losses.__all__:
        cls = getattr(experiments.losses, name)
        for link in cls.links:
            torch._dynamo.reset()
            if not agree(cls(link=link), backend):
                raise SystemExit(f"{name}({link}): compiled and eager differ")
            sys.stdout.write(f"{name}\n")
            backend = "aot_eager"
