r"""Links: the map from the raw output z^[L] to the prediction a^[L], and its derivatives.

::

    identity   a_k = z_k                        J = I
    sigmoid    a_k = 1 / (1 + e^-z_k)           J = diag(a (1 - a))
    softmax    a_k = e^z_k / sum_j e^z_j        J = diag(a) - a a^T

J = da/dz is symmetric for all three, so ``jacobian_product`` maps dC/da to dC/dz and also dz to da.

Form: no small number is computed as the difference of two numbers close to one. The complement b = 1 - a
has its own formula (sigmoid(-z); the sum of the other classes), and the residual a - t is computed as
a (1 - t) - t b. In the softmax the largest logit z_m is subtracted from z, and g_m from g in J g: adding a
constant to all entries changes neither.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Num
from torch import Tensor

Rows = Float[Tensor, "*batch n_out"]


class LinkedOutput(ABC):
    """The prediction a for one z, and the derivatives of the link there."""

    #: a^[L]
    a: Tensor

    @abstractmethod
    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        """a - t, with ``t`` in canonical form (``experiments.core.target``)."""

    @abstractmethod
    def jacobian_product(self, g: Rows) -> Rows:
        """J g."""

    @abstractmethod
    def jacobian_derivative(self, g: Rows, v: Rows) -> Rows:
        """The derivative of J(z) g along v, with g held fixed."""


class IdentityOutput(LinkedOutput):
    """a = z."""

    def __init__(self, z: Rows) -> None:
        self.a = z

    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        if t.is_floating_point():
            return self.a - t
        return self.a.scatter(-1, t, self.a.gather(-1, t) - 1)

    def jacobian_product(self, g: Rows) -> Rows:
        return g

    def jacobian_derivative(self, g: Rows, v: Rows) -> Rows:
        return torch.zeros_like(v)


class SigmoidOutput(LinkedOutput):
    """a = sigmoid(z), b = 1 - a = sigmoid(-z)."""

    def __init__(self, z: Rows) -> None:
        self.z = z
        self.a = torch.sigmoid(z)
        self.b = torch.sigmoid(-z)

    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        return _bounded_residual(self.a, self.b, t)

    def jacobian_product(self, g: Rows) -> Rows:
        return self.a * self.b * g

    def jacobian_derivative(self, g: Rows, v: Rows) -> Rows:
        # sigma'' = a b (b - a), and b - a = -tanh(z / 2) keeps its digits near z = 0
        return self.a * self.b * -torch.tanh(self.z / 2) * g * v

    def surprisals(self) -> tuple[Rows, Rows]:
        """-log a and -log b; both keep their digits in both tails."""
        tail = torch.log1p(torch.exp(-self.z.abs()))
        return tail + torch.relu(-self.z), tail + torch.relu(self.z)


class SoftmaxOutput(LinkedOutput):
    """a = softmax(z); ``top`` is the index of the largest entry."""

    def __init__(self, z: Rows) -> None:
        largest, self.top = z.max(-1, keepdim=True)
        self._gap = largest - z
        e = torch.exp(-self._gap)
        self._others = e.scatter(-1, self.top, 0.0).sum(-1, keepdim=True)
        # the top entry is e^0 = 1; it is gathered instead, so that a NaN stays a NaN
        self._total = e.gather(-1, self.top) + self._others
        self.a = e / self._total

    @property
    def b(self) -> Rows:
        """1 - a; for the top entry, the sum of the others."""
        return (1 - self.a).scatter(-1, self.top, self._others / self._total)

    def residual(self, t: Num[Tensor, "..."]) -> Rows:
        return _bounded_residual(self.a, self.b, t)

    def jacobian_product(self, g: Rows) -> Rows:
        g = g - g.gather(-1, self.top)
        return self.a * (g - (self.a * g).sum(-1, keepdim=True))

    def jacobian_derivative(self, g: Rows, v: Rows) -> Rows:
        g = g - g.gather(-1, self.top)
        da = self.jacobian_product(v)
        mean_g, dmean_g = (self.a * g).sum(-1, keepdim=True), (da * g).sum(-1, keepdim=True)
        return da * (g - mean_g) - self.a * dmean_g

    def surprisals(self) -> Rows:
        """-log a = (z_m - z) + log(1 + the sum of the other entries of e^(z - z_m))."""
        return self._gap + torch.log1p(self._others)


def _bounded_residual(a: Rows, b: Rows, t: Num[Tensor, "..."]) -> Rows:
    if t.is_floating_point():
        return a * (1 - t) - t * b
    return a.scatter(-1, t, -b.gather(-1, t))


LINKS: dict[str, type[IdentityOutput | SigmoidOutput | SoftmaxOutput]] = {
    "identity": IdentityOutput,
    "sigmoid": SigmoidOutput,
    "softmax": SoftmaxOutput,
}


def apply_link(link: str, z: Rows) -> LinkedOutput:
    """The link with this name, applied to z."""
    return LINKS[link](z)
