"""``python -m tests.losses.compiled``: every loss through the compiler; prints the names that agree.

All rooms are traced whole (``fullgraph``) by dynamo and AOT autograd; the first is compiled to machine
code as well, once for all, since that takes long and the operators are ordinary ones.
"""

import sys

import torch

import experiments.losses
from experiments.core.loss import Loss


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


if __name__ == "__main__":
    backend = "inductor"
    for name in experiments.losses.__all__:
        cls = getattr(experiments.losses, name)
        for link in cls.links:
            torch._dynamo.reset()
            if not agree(cls(link=link), backend):
                raise SystemExit(f"{name}({link}): compiled and eager differ")
            sys.stdout.write(f"{name}\n")
            backend = "aot_eager"
