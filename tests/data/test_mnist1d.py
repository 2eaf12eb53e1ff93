"""MNIST-1D against the authors' published facts, their package where installed, and a baseline."""

import numpy as np
import pytest
import torch

from experiments.data import MNIST1D

WHOLE = {"validation": 0, "standardize": "none"}


def test_the_published_set() -> None:
    """First values and the class sizes of the test part, as in the authors' frozen file."""
    splits = MNIST1D(**WHOLE).load()
    first = torch.tensor([-0.33200567, -0.47191037, -0.77869708])
    torch.testing.assert_close(splits.train.x[0, :3], first, rtol=1e-6, atol=0)
    assert splits.test.t.bincount().tolist() == [102, 104, 89, 106, 106, 98, 99, 96, 98, 102]
    assert (len(splits.train), len(splits.test)) == (4000, 1000)


def test_the_package_generates_the_same() -> None:
    """Every number equals that of mnist1d.make_dataset, to float32."""
    data = pytest.importorskip("mnist1d.data")
    states = np.random.get_state()  # noqa: NPY002
    theirs = data.make_dataset(data.get_dataset_args())
    np.random.set_state(states)  # noqa: NPY002
    splits = MNIST1D(**WHOLE).load()
    for part, x, t in ((splits.train, "x", "y"), (splits.test, "x_test", "y_test")):
        np.testing.assert_allclose(part.x.numpy(), theirs[x], rtol=0, atol=3e-7)
        assert part.t.tolist() == theirs[t].tolist()


def test_another_generation_is_another_set() -> None:
    """generation_seed draws new curves; seed alone never touches the test part."""
    published, other = MNIST1D().load(), MNIST1D(generation_seed=0).load()
    assert not torch.equal(published.test.x, other.test.x)
    assert torch.equal(published.test.x, MNIST1D(seed=5).load().test.x)


@pytest.mark.slow
def test_linear_softmax_reaches_the_published_accuracy() -> None:
    """Adam .01, 6,000 steps of 100 in sequence: train 37.2 %, test 31.5 %, within half a point."""
    splits = MNIST1D(**WHOLE).load()
    model = torch.nn.Linear(40, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(6000):
        batch = torch.arange(100 * step, 100 * step + 100) % 4000
        optimizer.zero_grad()
        cost = torch.nn.functional.cross_entropy(
            model(splits.train.x[batch]), splits.train.t[batch]
        )
        cost.backward()
        optimizer.step()
    with torch.no_grad():
        train, test = (
            100 * float((model(part.x).argmax(1) == part.t).float().mean())
            for part in (splits.train, splits.test)
        )
    assert abs(train - 37.2) <= 0.5
    assert abs(test - 31.5) <= 0.5
