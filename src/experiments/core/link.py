r"""Links: the map from the raw output z^[L] to the prediction a^[L], and its derivatives.

::

    identity   a_k = z_k                        J = I
    sigmoid    a_k = 1 / (1 + e^-z_k)           J = diag(a (1 - a))
    softmax    a_k = e^z_k / sum_j e^z_j        J = diag(a) - a a^T

J = da/dz is symmetric for all three, so ``pull`` turns dC/da into dC/dz and also dz into da.

Form: no small number is found as the difference of two numbers near one. The complement b = 1 - a has
a form of its own (sigmoid(-z); the sum of the other classes), and the residual a - t is
a (1 - t) - t b. The softmax is shifted by its largest entry m, and J g by g_m, which J maps to zero.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Num
from torch import Tensor

Rows = Float[Tensor, "*batch n_out"]


class Linked(ABC):
    """A link at one z: the prediction and what is derived from it."""

    #: a^[L]
    a: Tensor

    @abstractmethod
    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        """a - t, with ``t`` in the form that ``experiments.core.target.canonical`` gives it."""

    @abstractmethod
    def pull(self, g: Rows) -> Rows:
        """J g."""

    @abstractmethod
    def bend(self, g: Rows, v: Rows) -> Rows:
        """The derivative of J(z) g along v, with g held fixed."""


class IdentityOutput(Linked):
    """a = z."""

    def __init__(self, z: Rows) -> None:
        self.a = z

    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        if t.is_floating_point():
            return self.a - t
        return self.a.scatter(-1, t, self.a.gather(-1, t) - 1)

    def pull(self, g: Rows) -> Rows:
        return g

    def bend(self, g: Rows, v: Rows) -> Rows:
        return torch.zeros_like(v)


class SigmoidOutput(Linked):
    """a = sigmoid(z), b = 1 - a = sigmoid(-z)."""

    def __init__(self, z: Rows) -> None:
        self.z = z
        self.a = torch.sigmoid(z)
        self.b = torch.sigmoid(-z)

    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        return _bounded_residual(self.a, self.b, t)

    def pull(self, g: Rows) -> Rows:
        return self.a * self.b * g

    def bend(self, g: Rows, v: Rows) -> Rows:
        # sigma'' = a b (b - a), and b - a = -tanh(z / 2) keeps its digits near z = 0
        return self.a * self.b * -torch.tanh(self.z / 2) * g * v

    def surprise(self) -> tuple[Rows, Rows]:
        """The surprisals -log a and -log b; both keep their digits in both tails."""
        tail = torch.log1p(torch.exp(-self.z.abs()))
        return tail + torch.relu(-self.z), tail + torch.relu(self.z)


class SoftmaxOutput(Linked):
    """a = softmax(z); the largest entry is ``top``."""

    def __init__(self, z: Rows) -> None:
        largest, self.top = z.max(-1, keepdim=True)
        self._gap = largest - z
        e = torch.exp(-self._gap)
        self._others = e.scatter(-1, self.top, 0.0).sum(-1, keepdim=True)
        # the top entry is gathered, not written as 1, so that a NaN stays a NaN
        self._total = e.gather(-1, self.top) + self._others
        self.a = e / self._total

    @property
    def b(self) -> Rows:
        """1 - a; for the top entry the sum of the others."""
        return (1 - self.a).scatter(-1, self.top, self._others / self._total)

    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        return _bounded_residual(self.a, self.b, t)

    def pull(self, g: Rows) -> Rows:
        g = g - g.gather(-1, self.top)
        return self.a * (g - (self.a * g).sum(-1, keepdim=True))

    def bend(self, g: Rows, v: Rows) -> Rows:
        g = g - g.gather(-1, self.top)
        da = self.pull(v)
        return da * (g - (self.a * g).sum(-1, keepdim=True)) - self.a * (da * g).sum(
            -1, keepdim=True
        )

    def surprise(self) -> Rows:
        """The surprisal -log a: how far z lies below the top entry, plus log(1 + the others)."""
        return self._gap + torch.log1p(self._others)


def _bounded_residual(a: Rows, b: Rows, t: Num[Tensor, "..."]) -> Rows:
    if t.is_floating_point():
        return a * (1 - t) - t * b
    return a.scatter(-1, t, -b.gather(-1, t))


def link_at(link: str, z: Rows) -> Linked:
    """The link of that name at z."""
    if link == "identity":
        return IdentityOutput(z)
    return SigmoidOutput(z) if link == "sigmoid" else SoftmaxOutput(z)
