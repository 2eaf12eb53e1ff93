"""Activations as a user writes them: a value and a derivative, nothing else."""

import math

import torch
from torch import Tensor


class Erf:
    def value(self, z: Tensor) -> Tensor:
        return torch.erf(z)

    def derivative(self, z: Tensor) -> Tensor:
        return 2 / math.sqrt(math.pi) * torch.exp(-(z**2))


class Sin:
    def value(self, z: Tensor) -> Tensor:
        return torch.sin(z)

    def derivative(self, z: Tensor) -> Tensor:
        return torch.cos(z)


class HardTanh:
    """Two corners that nobody declares."""

    def value(self, z: Tensor) -> Tensor:
        return z.clamp(-1, 1)

    def derivative(self, z: Tensor) -> Tensor:
        return (z.abs() < 1).to(z.dtype)


class HardShrink:
    """0 near 0, and z elsewhere."""

    def value(self, z: Tensor) -> Tensor:
        return torch.where(z.abs() > 0.5, z, 0.0)

    def derivative(self, z: Tensor) -> Tensor:
        return (z.abs() > 0.5).to(z.dtype)


class Steep:
    """A narrow step away from 0."""

    def value(self, z: Tensor) -> Tensor:
        return torch.tanh(30 * (z - 1.3))

    def derivative(self, z: Tensor) -> Tensor:
        return 30 / torch.cosh((30 * (z - 1.3)).clamp(-300, 300)).square()


class Square:
    def value(self, z: Tensor) -> Tensor:
        return z**2

    def derivative(self, z: Tensor) -> Tensor:
        return 2 * z


class Exponential:
    """Overflows from z = 355 on, where its square does."""

    def value(self, z: Tensor) -> Tensor:
        return z.exp()

    def derivative(self, z: Tensor) -> Tensor:
        return z.exp()


class Hole:
    """NaN from 100 on."""

    def value(self, z: Tensor) -> Tensor:
        return torch.where(z > 100, math.nan, 2 * z)

    def derivative(self, z: Tensor) -> Tensor:
        return torch.where(z > 100, math.nan, torch.full_like(z, 2.0))


class Logarithm:
    def value(self, z: Tensor) -> Tensor:
        return z.log()

    def derivative(self, z: Tensor) -> Tensor:
        return 1 / z


class SinglePrecision:
    """Loses half of its digits on the way."""

    def value(self, z: Tensor) -> Tensor:
        return torch.tanh(z.float()).double()

    def derivative(self, z: Tensor) -> Tensor:
        return torch.cosh(z.float()).double() ** -2
