"""L1 and L2 penalties of note 003, on the weights and not on the biases.

C + l1 * sum |W| + l2/2 * sum W^2:    dC/dW gains l1 sign(W) + l2 W
"""

import torch

from experiments.training.flat import FlatParameters


def add_penalty_gradient(flat: FlatParameters, l1: float, l2: float) -> None:
    """Add the penalties' gradient to the weights' part of the gradient buffer."""
    weights = flat.values[:, : flat.weight_count]
    gradients = flat.gradients[:, : flat.weight_count]
    if l1:
        gradients.add_(torch.sign(weights), alpha=l1)
    if l2:
        gradients.add_(weights, alpha=l2)
