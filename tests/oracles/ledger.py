"""The ledger's columns from their definitions: one network, torch's autograd, NumPy in float64.

Knows nothing of the package; the last layer has no activation.
"""

from collections.abc import Callable

import numpy as np
import torch
from tests.oracles.training import Network
from torch import Tensor


def slope(sigma: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """sigma'(z) by autograd."""
    leaf = z.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(sigma(leaf).sum(), leaf)
    return found


def steepest(sigma: Callable[[Tensor], Tensor]) -> float:
    """The largest |sigma'| on a fine grid, both sides of 0 included."""
    grid = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    return float(slope(sigma, grid).abs().max())


def row(
    network: Network,
    loss: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    t: Tensor,
    after: list[Tensor] | None,
) -> list[dict[str, float]]:
    """One dictionary of columns for every layer with weights.

    Args:
        network: before the update.
        loss: C_d of every example.
        x: the step's inputs.
        t: the step's targets.
        after: the weights after the update, or None where no step follows.
    """
    zs, activations = network(x)
    for z in zs:
        z.retain_grad()
    for leaf in network.leaves:
        leaf.grad = None
    loss(zs[-1], t).mean().backward()
    rows = []
    for k, (z, a) in enumerate(zip(zs, activations, strict=True)):
        sigma = network.sigma if k < len(zs) - 1 else lambda z: z
        delta, dW, db = (
            g.grad.double().numpy() for g in (z, network.weights[k], network.biases[k])
        )
        derivative = slope(sigma, z).double().numpy()
        values = a.detach().double().numpy()
        W = network.weights[k].detach().double().numpy()
        moved = np.nan if after is None else np.sqrt(np.sum((after[k].double().numpy() - W) ** 2))
        parts = (z.detach().double().numpy(), values, delta, dW)
        with np.errstate(divide="ignore", invalid="ignore"):
            rows.append(
                {
                    "delta_rms": np.sqrt(np.mean(delta**2)),
                    "delta_norm": np.sqrt(np.sum(delta**2)),
                    "log10_delta_norm": np.log10(np.sqrt(np.sum(delta**2))),
                    "weight_gradient_norm": np.sqrt(np.sum(dW**2)),
                    "log10_weight_gradient_norm": np.log10(np.sqrt(np.sum(dW**2))),
                    "bias_gradient_norm": np.sqrt(np.sum(db**2)),
                    "derivative_mean": derivative.mean(),
                    "derivative_rms": np.sqrt(np.mean(derivative**2)),
                    "saturated": np.mean(np.abs(derivative) < 0.05 * steepest(sigma)),
                    "dead": np.mean((derivative == 0).all(0)),
                    "exact_zero": np.mean(delta == 0),
                    "nonfinite": sum(np.sum(~np.isfinite(part)) for part in parts),
                    "activation_mean": values.mean(),
                    "activation_variance": values.var(),
                    "update_ratio": moved / np.sqrt(np.sum(W**2)),
                }
            )
    return rows
