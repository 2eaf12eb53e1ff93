"""Networks that several tests of this folder use."""

import torch

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Tanh
from experiments.initializers import Gaussian
from experiments.models import MLP

ROOMS = (Sigmoid, Tanh, ReLU, ELU, Identity)


def mixed(depth, width=7, n_in=4, n_out=3, runs=None, seed=0, output=None, sigma_w=1.3):
    """A float64 network whose layers have different widths and activations, biases included."""
    widths = (n_in, *(width + k % 3 for k in range(depth)), n_out)
    sigmas = [ROOMS[k % len(ROOMS)]() for k in range(depth)]
    return MLP(
        widths, sigmas, Gaussian(sigma_w, 0.3), output_activation=output, runs=runs, seed=seed
    ).double()


def names(net):
    """The rooms of a network's layers, as the oracles name them."""
    return [type(sigma).__name__.lower() for sigma in net.activations]


def arrays(tensors):
    """Plain NumPy copies."""
    return [tensor.detach().numpy().copy() for tensor in tensors]


def close(found, expected, tolerance=1e-12):
    """Whether every tensor of a list lies within a relative distance of its twin."""
    return all(
        torch.linalg.vector_norm(f - e) <= tolerance * torch.linalg.vector_norm(e)
        for f, e in zip(found, expected, strict=True)
    )
