"""Sums that a recorded step takes, against NumPy's of the tensors that it leaves."""

import numpy as np
import pytest
import torch

from experiments.activations import ELU, ReLU, Sigmoid, Tanh
from experiments.core import reductions
from experiments.core.per_layer import PerLayer
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy
from experiments.models import MLP
from experiments.probes import Ledger
from experiments.probes.quantities import (
    ActivationMoments,
    DeltaSize,
    Saturation,
    UpdateRatio,
)
from experiments.training.engine import RecursionEngine
from experiments.training.optimizers import SGD
from experiments.training.parameters import StackParameters
from experiments.training.steps import Steps

RUNS, BATCH = 3, 7
EVERYTHING = Ledger().sums


def steps(names: frozenset[str]) -> Steps:
    """Of three networks with widths and activations of many kinds, whose units are partly saturated."""
    hidden = [Sigmoid(), Tanh(), ReLU(), ELU(), Tanh()]
    net = MLP((4, 5, 5, 7, 5, 5, 5), hidden, Glorot(), runs=RUNS, seed=0).double()
    for weight in net.weights:
        weight.data *= 4
    home = StackParameters(net)
    engine = RecursionEngine(net, CrossEntropy(), home, BATCH, compile=True, sum_up=names)
    return Steps(engine, SGD(lr=0.5), l2=0.1)


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and classes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(RUNS, BATCH, 4, generator=generator, dtype=torch.float64)
    return x, torch.randint(5, (RUNS, BATCH), generator=generator)


@pytest.mark.parametrize("update", [True, False])
def test_the_sums_are_those_of_the_steps_own_tensors(update) -> None:
    """Of every quantity, layer and run, record after record; also those that share no shape."""
    trained = steps(EVERYTHING)
    for seed in (0, 1):
        trained(*batch(seed))
        _, record = trained.recorded(*batch(seed + 2), update=update)
        sums = trained.engine.sums
        assert sums is not None
        for name in EVERYTHING - ({"update"} if not update else set()):
            values: PerLayer = getattr(record, name)
            found = sums.of(name)
            assert found is not None
            for k, bound in enumerate(found.bounds):
                rows = values[k].flatten(1).numpy()
                assert found.entries[k] == rows.shape[1]
                np.testing.assert_allclose(found.sums[k], rows.sum(1), rtol=1e-12, atol=1e-14)
                np.testing.assert_allclose(found.squares[k], (rows**2).sum(1), rtol=1e-12)
                assert found.zeros[k].tolist() == (rows == 0).sum(1).tolist()
                assert found.small[k].tolist() == (np.abs(rows) < bound).sum(1).tolist()
                sigma = trained.engine.net.activations[k]
                flat = 0.05 * sigma.max_derivative if name == "derivative" else 0.0
                assert bound == pytest.approx(flat)


def test_the_ledger_reads_them(monkeypatch) -> None:
    """Where they are taken, no tensor is read again, except for dead units, variances and a ReLU's z."""
    trained = steps(EVERYTHING)
    kept = [q for q in Ledger().quantities if not isinstance(q, Saturation | ActivationMoments)]
    ledger = Ledger(quantities=kept)
    wanted = ledger.record(trained.recorded(*batch(0), update=False)[1])
    _, record = trained.recorded(*batch(0), update=False)
    record.z.mean = record.a.mean  # a slope of 0 does not tell whether z is finite
    for name in ("_sums", "_shares", "_wide_norms"):
        monkeypatch.setattr(reductions, name, None)
    torch.testing.assert_close(ledger.record(record), wanted, equal_nan=True)


def test_only_what_a_ledger_needs_is_summed_up() -> None:
    """A quantity that says nothing of sums is computed from the tensors."""
    ledger = Ledger(quantities=[DeltaSize(), UpdateRatio()])
    assert ledger.sums == {"delta", "weight", "update"}
    trained = steps(ledger.sums)
    _, record = trained.recorded(*batch(0))
    sums = trained.engine.sums
    assert sums is not None
    assert {name for name in EVERYTHING if sums.of(name)} == ledger.sums
    torch.testing.assert_close(record.delta.norm[2], record.delta[2].flatten(1).norm(dim=1))
    torch.testing.assert_close(record.a.mean[2], record.a[2].flatten(1).mean(1))
