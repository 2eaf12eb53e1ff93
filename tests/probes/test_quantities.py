"""Quantities that skip what other numbers rule out, against counts of every entry."""

import math

import numpy as np
import pytest
import torch
from tests.activations.rooms import every_room

from experiments.core.per_layer import Block, PerLayer
from experiments.core.probe import StepPass
from experiments.probes.quantities import Nonfinite, Saturation

LAYERS, RUNS, BATCH, WIDTH = 2, 3, 4, 5


def step_of(sigma, z):
    """A step whose layers have these z, (LAYERS * RUNS, BATCH, WIDTH); all the rest is 1."""
    a, slope = torch.empty_like(z), torch.empty_like(z)
    sigma.evaluate(z, a, slope)
    z, a, slope, other = (
        PerLayer([Block((0, 1), tensor)]) for tensor in (z, a, slope, torch.ones_like(z))
    )
    return StepPass(
        z=z,
        a=a,
        delta=other,
        derivative=slope,
        weight=other,
        bias=other,
        weight_gradient=other,
        bias_gradient=other,
        update=None,
        max_derivative=(sigma.max_derivative,) * LAYERS,
    )


@pytest.mark.parametrize("planted", [None, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("size", [0.01, 3.0, 60.0])
@every_room
def test_shortcuts_skip_nothing(sigma, size, planted):
    """Flat and steep units, and an entry that is not finite in one layer of one run."""
    z = size * torch.randn(LAYERS * RUNS, BATCH, WIDTH)
    if planted is not None:
        z[4, 2, 1] = planted
    step = step_of(sigma, z)
    (nonfinite,) = Nonfinite()(step)
    entries = zip(*(part.blocks[0].tensor.numpy() for part in (step.z, step.a)), strict=True)
    counts = [sum(int(np.sum(~np.isfinite(part))) for part in parts) for parts in entries]
    assert nonfinite.flatten().tolist() == counts
    assert (max(counts) > 0) == (planted is not None)
    saturated, dead = Saturation()(step)
    slopes = step.derivative.blocks[0].tensor.numpy()
    flat = np.abs(slopes) < 0.05 * sigma.max_derivative
    np.testing.assert_array_equal(saturated.flatten(), flat.mean((1, 2)))
    np.testing.assert_array_equal(dead.flatten(), (slopes == 0).all(1).mean(1))
