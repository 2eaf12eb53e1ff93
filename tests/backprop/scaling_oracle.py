"""The carried exponent held to high-precision arithmetic."""

import pytest
from tests.backprop.networks import names
from tests.oracles.backprop_high_precision import log10_norms

from experiments.backprop import scaled_backpropagate
from experiments.losses import HalfSquaredError


def held_to_the_oracle(net, x, t):
    """The log10 norms found for the half squared error, once they agree with 40 digits to 1e-9."""
    found = scaled_backpropagate(net, x, t, HalfSquaredError())
    deltas, gradients = log10_norms(
        [W.tolist() for W in net.weights],
        [b.tolist() for b in net.biases],
        names(net),
        x.tolist(),
        t.tolist(),
    )
    assert [float(v) for v in found.log10_delta_norms] == pytest.approx(deltas, abs=1e-9)
    assert [float(v) for v in found.log10_weight_gradient_norms] == pytest.approx(
        gradients, abs=1e-9
    )
    return deltas
