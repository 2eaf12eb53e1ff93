"""Branches that are left out where no entry needs them."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from experiments.activations import GELU
from experiments.core.branching import where_rare


def test_the_rare_branch_is_computed_only_for_entries_that_need_it() -> None:
    """Without one it is not even called; with one every entry is what torch.where gives."""
    z = torch.tensor([1.0, 4.0, 9.0])
    assert torch.equal(where_rare(z < 0, lambda: pytest.fail("computed"), z.sqrt()), z.sqrt())
    assert where_rare(z > 5, lambda: -z, z).tolist() == [1.0, 4.0, -9.0]


def test_inside_a_transform_both_branches_are_computed() -> None:
    """There are no values to ask there."""
    root = torch.vmap(lambda z: where_rare(z < 0, lambda: -z, z.sqrt()))
    assert root(torch.tensor([-1.0, 4.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "traced", [torch.jit.trace, lambda f, z: make_fx(f)(*z)], ids=["jit", "fx"]
)
@pytest.mark.filterwarnings("ignore:.torch.jit.trace.*:DeprecationWarning")
def test_what_is_traced_holds_for_other_values_too(traced) -> None:
    """The example has no entry on the rare side, the later call has."""
    root = traced(lambda z: where_rare(z < 0, lambda: -z, z.sqrt()), (torch.tensor([1.0, 4.0]),))
    assert root(torch.tensor([-3.0, 4.0])).tolist() == [3.0, 2.0]


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node:UserWarning")
def test_without_values_nothing_is_asked() -> None:
    """Tensors of a shape alone, and torch's linear approximation, which runs the formulas on such."""
    with FakeTensorMode():
        assert GELU()(torch.empty(3, dtype=torch.float64)).shape == (3,)
    z = torch.linspace(-20, 2, 5, dtype=torch.float64)
    value, tangent = torch.func.linearize(GELU(), z)
    assert torch.equal(value, GELU()(z))
    torch.testing.assert_close(
        tangent(torch.ones_like(z)), GELU().derivative(z), rtol=1e-12, atol=0
    )
