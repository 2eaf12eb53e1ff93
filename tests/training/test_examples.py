"""Every run gets its own examples: of one data set, or of several with one shape."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.app.composing import cell, trained, vary
from tests.training.test_equal_to_alone import assert_equal_to_alone, trajectory

from experiments.app.build import stack_of
from experiments.core.dataset import Split, Splits
from experiments.core.errors import ConfigurationError
from experiments.training.examples import Examples
from experiments.training.train import train

CPU = torch.device("cpu")


def numbered(start: float, train: int = 6) -> Splits:
    """Example k of a part holds the number start + k as input and as target."""

    def part(first: float, examples: int) -> Split:
        x = (first + torch.arange(float(examples))).unsqueeze(1)
        return Split(x=x, t=x.clone())

    return Splits(train=part(start, train), val=part(start + 50, 3), test=part(start + 80, 2))


def test_a_run_s_batches_are_of_its_own_data() -> None:
    """Inputs and targets by each run's own indices, before and after a run has left."""
    one, other = numbered(0), numbered(100)
    examples = Examples([one, other, one], torch.float64, CPU)
    order = torch.tensor([[[0, 5], [1, 0], [2, 2]], [[3, 4], [5, 5], [0, 1]]])
    wanted = [[[0, 5], [101, 100], [2, 2]], [[3, 4], [105, 105], [0, 1]]]
    for (x, t), numbers in zip(examples.batches(order), wanted, strict=True):
        assert x.dtype == torch.float64
        assert x.squeeze(-1).tolist() == t.squeeze(-1).tolist() == numbers
    assert not examples.shared
    x, _ = examples.whole()
    assert x.squeeze(-1)[:, 0].tolist() == [0, 100, 0]
    assert [own.x[0].item() for own in examples.part("val")] == [50, 150, 50]
    examples.select([1])
    ((x, t),) = examples.batches(order[:1, :1])
    assert x.squeeze(-1).tolist() == [[100, 105]]
    assert examples.shared
    assert examples.whole()[0].squeeze(-1).tolist() == [100, 101, 102, 103, 104, 105]


def test_what_all_share_is_kept_once_and_has_no_run_axis() -> None:
    """A whole split is then shown as it is."""
    examples = Examples([numbered(0)] * 4, torch.float32, CPU)
    assert examples.shared
    assert examples.whole()[0].shape == (6, 1)
    assert len({id(own) for own in examples.part("test")}) == 1


def test_data_of_other_shapes_need_a_stack_of_their_own() -> None:
    """The refusal names both shapes."""
    with pytest.raises(ConfigurationError, match=r"\(6, 1\).*and.*\(7, 1\).*stacks of their own"):
        Examples([numbered(0), numbered(0, train=7)], torch.float32, CPU)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("trainer.batch_size=null",),
        ("trainer.engine=autograd", "trainer.batch_size=null"),
        ("metric=calibration", "loss=squared_error"),
        ("optimizer=adam", "probe=ledger", "probe.every=7"),
    ],
    ids="-".join,
)
def test_runs_with_data_of_their_own_are_what_they_are_alone(overrides) -> None:
    """Each seed its own split and its own wrong labels; two runs share theirs."""
    like = cell(*overrides, "trainer.precision=64-true")
    own = {"data.seed": (0, 5, 5, 9), "data.label_noise": (0.0, 0.3, 0.3, 0.1)}
    cells = vary(like, {"seed": (0, 1, 2, 3), **own})
    assert len(set(map(id, stack_of(cells).datasets))) == 3
    assert_equal_to_alone(cells, 1e-10, which=[0, 1, 2, 3])


@pytest.mark.parametrize("batch", ["16", "null"])
def test_who_stays_keeps_its_data(batch) -> None:
    """One run diverges and one stops falling: the two that are left go on with their own examples."""
    patient = ("trainer.patience=2", "trainer.min_delta=1e-9", "trainer.evaluations=6")
    like = cell(
        *patient, f"trainer.batch_size={batch}", "trainer.precision=64-true", "loss=squared_error"
    )
    each = {"data.seed": (0, 1, 2, 3), "optimizer.lr": (1e200, 0.05, 0.0, 0.02)}
    cells = vary(like, {"seed": (0, 1, 2, 3), **each})
    outcomes = trained(cells)
    assert [outcome.status for outcome in outcomes] == ["diverged", *["finished"] * 3]
    assert outcomes[2].stopped_at == 10
    for r in (1, 3):
        alone = trained([cells[r]])[0]
        np.testing.assert_allclose(trajectory(outcomes[r]), trajectory(alone), rtol=1e-10)


def test_targets_of_every_data_set_are_checked() -> None:
    """A class that the network has no output for is refused, whichever run it belongs to."""
    stack = stack_of(vary(cell(), {"seed": (0, 1), "data.seed": (0, 1)}))

    class Wrong(type(stack.dataset)):  # type: ignore[misc]
        """One class too many."""

        def pool_and_test(self):
            pool, test = super().pool_and_test()
            return Split(x=pool.x, t=pool.t + 1), test

    wrong = Wrong(**dataclasses.asdict(stack.runs[1].dataset))
    runs = (stack.runs[0], dataclasses.replace(stack.runs[1], dataset=wrong))
    with pytest.raises(ConfigurationError, match="class"):
        train(dataclasses.replace(stack, runs=runs))
