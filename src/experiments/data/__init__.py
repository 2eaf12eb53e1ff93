"""Data sets, one module each: shipped with a package, read from files, or generated."""

from experiments.data.digits import Digits
from experiments.data.fashion_mnist import FashionMNIST
from experiments.data.higham import Higham
from experiments.data.mnist import MNIST
from experiments.data.mnist1d import MNIST1D
from experiments.data.one_point import OnePoint
from experiments.data.rings import Rings
from experiments.data.spirals import Spirals
from experiments.data.teacher import Teacher
from experiments.data.unit_cube import UnitCube, power, sine, tent

__all__ = [
    "MNIST",
    "MNIST1D",
    "Digits",
    "FashionMNIST",
    "Higham",
    "OnePoint",
    "Rings",
    "Spirals",
    "Teacher",
    "UnitCube",
    "power",
    "sine",
    "tent",
]
