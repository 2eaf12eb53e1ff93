"""What every activation must do, asked of every room and of some other numbers than the default.

Rooms are discovered from the package folder (tests/activations/rooms.py).
"""

import copy
import inspect
import pickle
import runpy
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.activations.rooms import CLASSES, MODULES, every_case, every_room, room_name, with_rule

import experiments.activations
from experiments.activations import ELU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from experiments.core.errors import ConfigurationError

CONF = Path(__file__).parents[2] / "conf" / "activation"
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
GRID = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
#: so far out that exponential tails have long ended, and those that fall as 1/z are below 1e-15 too
FAR = 1e30
DECADES = torch.logspace(2, 30, 29, dtype=torch.float64)
EVERYWHERE = torch.cat([-DECADES.flip(0), GRID, DECADES])
every_class = pytest.mark.parametrize("room", CLASSES, ids=lambda room: room.__name__)


# -- the room -----------------------------------------------------------------------------------------


def test_every_room_is_exported_and_nothing_else() -> None:
    """One room a file, each in the folder's sorted list of names."""
    assert len(CLASSES) == len(MODULES)
    assert sorted(experiments.activations.__all__) == sorted(room.__name__ for room in CLASSES)


@every_room
def test_the_option_file_names_every_argument_with_its_default(sigma) -> None:
    """conf/activation/ROOM.yaml holds the public name and all of the constructor's arguments."""
    option = yaml.safe_load((CONF / f"{room_name(sigma)}.yaml").read_text())
    assert option.pop("_target_") == f"experiments.activations.{type(sigma).__name__}"
    parameters = inspect.signature(type(sigma)).parameters
    assert option == {name: parameter.default for name, parameter in parameters.items()}


@every_class
@pytest.mark.parametrize("rule", ["Exact", "", "torch"])
def test_an_unknown_rule_is_refused_by_name(room, rule) -> None:
    """The message says what was found and what there is."""
    with pytest.raises(ConfigurationError, match="expected 'exact' or 'native'"):
        room(derivative=rule)


@every_case
def test_a_number_that_is_none_is_refused(sigma) -> None:
    """Negative, infinite and undefined numbers are refused by the argument's name."""
    for name in sigma.arguments:
        for wrong in (-1.0, float("inf"), float("nan")):
            with pytest.raises(ConfigurationError, match=f"found {name}="):
                type(sigma)(**{name: wrong})


@every_case
def test_the_representation_builds_the_same_activation(sigma) -> None:
    """repr names the room, its numbers and its rule, and can be pasted."""
    again = eval(repr(sigma), vars(experiments.activations))
    assert repr(again) == repr(sigma)
    assert "derivative='exact'" in repr(sigma)
    assert torch.equal(again.value(GRID), sigma.value(GRID))


@every_case
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_equal(sigma, copied) -> None:
    """deepcopy and pickle keep the numbers and the rule; there is no state besides."""
    again = copied(sigma)
    assert repr(again) == repr(sigma)
    assert not sigma.state_dict()
    assert torch.equal(again.derivative(GRID), sigma.derivative(GRID))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_rooms_own_tensors_lie_where_every_device_reads_them(module) -> None:
    """On the CPU, though torch's default device was another one at the import."""
    with torch.device("meta"):
        names = runpy.run_path(module.__file__)
    own = [thing for thing in names.values() if isinstance(thing, torch.Tensor)]
    assert all(tensor.device.type == "cpu" for tensor in own)


# -- the declared facts -------------------------------------------------------------------------------


@every_case
def test_max_derivative_is_the_supremum(sigma) -> None:
    """|sigma'| comes within 1e-6 of the declared bound, and never above it."""
    largest = float(sigma.derivative(EVERYWHERE).abs().max())
    assert largest <= sigma.max_derivative * (1 + 1e-15)
    assert largest == pytest.approx(sigma.max_derivative, rel=1e-6)


@every_case
def test_values_fill_the_declared_range(sigma) -> None:
    """Values lie in the range and come within 1e-7 of its ends; towards an infinite end they grow."""
    values = sigma.value(EVERYWHERE)
    low, high = sigma.range
    assert low <= float(values.min()) <= (low + 1e-7 if low > -torch.inf else -39.0)
    assert high >= float(values.max()) >= (high - 1e-7 if high < torch.inf else 39.0)


@every_case
def test_the_declared_ends_saturate_and_no_other(sigma) -> None:
    """sigma' falls below 1e-15 at the ends that are named, and at no other end.

    As an algebraic tail does too, if far enough: softsign's sigma' is 1/z^2.
    """
    ends = {"left": -FAR, "right": FAR}
    flat = {
        side
        for side, z in ends.items()
        if abs(float(sigma.derivative(torch.tensor([z], dtype=torch.float64)))) < 1e-15
    }
    assert flat == set(sigma.saturates)


@every_case
def test_sigma_is_smooth_but_at_the_declared_kinks(sigma) -> None:
    """sigma' or sigma'' jumps at every declared kink, and nowhere else on a fine grid."""
    step = float(GRID[1] - GRID[0])
    jumps = torch.zeros(len(GRID) - 1, dtype=torch.bool)
    for curve in (sigma.derivative(GRID), sigma.second_derivative(GRID)):
        jumps |= curve.diff().abs() > 20 * step * sigma.max_derivative
    found = GRID[1:][jumps].tolist()
    assert len(found) == len(sigma.kinks)
    assert all(abs(at - kink) <= 2 * step for at, kink in zip(found, sigma.kinks, strict=True))


@every_case
def test_no_derivative_overflows(sigma) -> None:
    """Where z^2 would."""
    z = torch.tensor([-1e300, -1e155, 1e155, 1e300], dtype=torch.float64)
    assert sigma.derivative(z).isfinite().all()
    assert sigma.second_derivative(z).isfinite().all()


# -- shapes, types, places ----------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_any_shape_and_float_type_is_kept(sigma, dtype) -> None:
    """Scalars, empty tensors and stacks come back in their shape and type, differentiated too."""
    for shape in ((), (0,), (3, 0, 2), (1,), (2, 3, 5)):
        z = torch.randn(shape).to(dtype).requires_grad_()
        (slope,) = torch.autograd.grad(sigma(z).sum(), z, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), z)
        results = [sigma(z), sigma.value(z), sigma.derivative(z), sigma.second_derivative(z)]
        for found in (*results, slope, bend):
            assert found.shape == shape
            assert found.dtype == dtype


@every_case
def test_integers_are_floats_and_complex_numbers_are_refused(sigma) -> None:
    """Nothing is cut to a whole number, and no imaginary part is dropped."""
    for whole in (torch.tensor([-2, 0, 3]), torch.tensor([True, False])):
        for method in (sigma, sigma.value, sigma.derivative, sigma.second_derivative):
            assert torch.equal(method(whole), method(whole.float()))
            with pytest.raises(ConfigurationError, match=r"found z of torch\.complex64"):
                method(whole + 1j)


@every_case
def test_strides_do_not_matter(sigma) -> None:
    """Transposed, sliced and expanded arguments give the numbers of their contiguous copies."""
    base = torch.linspace(-3, 3, 48).reshape(6, 8)
    for z in (base.mT, base[::2, 1::3], base[:, :1].expand(6, 5), base.flip(0)[1:]):
        for method in (sigma.value, sigma.derivative, sigma.second_derivative):
            torch.testing.assert_close(method(z), method(z.contiguous()), rtol=1e-6, atol=0.0)
        leaf = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(sigma(leaf.mT).sum(), leaf)
        torch.testing.assert_close(slope, sigma.derivative(z.contiguous()), rtol=1e-6, atol=0.0)


@every_case
def test_results_are_new_tensors(sigma) -> None:
    """No result shares memory with its argument, and the argument is not changed."""
    z = torch.linspace(-2, 2, 9)
    kept = z.clone()
    for found in (sigma(z), sigma.value(z), sigma.derivative(z), sigma.second_derivative(z)):
        found.fill_(7.0)
        assert torch.equal(z, kept)


# -- evaluate -----------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_evaluate_is_value_and_derivative(sigma, dtype) -> None:
    """Both buffers agree to a few units in the last place; only subnormal results may differ."""
    z = torch.linspace(-100, 100, 4001, dtype=torch.float64).to(dtype)
    z = torch.cat([z, z / 50])
    a, slope = torch.full_like(z, 7.0), torch.full_like(z, 7.0)
    sigma.evaluate(z, a, slope)
    kind = torch.finfo(dtype)
    for found, expected in ((a, sigma.value(z)), (slope, sigma.derivative(z))):
        torch.testing.assert_close(found, expected, rtol=4 * kind.eps, atol=2 * kind.tiny)


@every_case
def test_evaluate_records_no_graph_and_takes_any_strides(sigma) -> None:
    """It fills transposed buffers, leaves z alone, and returns no graph even where z has one."""
    z = torch.linspace(-3, 3, 12).reshape(3, 4).requires_grad_()
    a, slope = torch.empty(4, 3).mT, torch.empty(4, 3).mT
    sigma.evaluate(z, a, slope)
    assert not a.requires_grad
    assert not slope.requires_grad
    torch.testing.assert_close(a, sigma.value(z.detach()))
    torch.testing.assert_close(slope, sigma.derivative(z.detach()))


@every_case
@pytest.mark.parametrize("rule", ["exact", "native"])
def test_plain_numbers_have_no_graph(sigma, rule) -> None:
    """sigma and sigma'' of an input that requires a gradient; sigma(z) and sigma'(z) have one."""
    sigma, z = with_rule(sigma, rule), torch.linspace(-3, 3, 12, requires_grad=True)
    for plain in (sigma.value, sigma.second_derivative):
        assert not plain(z).requires_grad
        assert torch.equal(plain(z), plain(z.detach()))
    assert sigma(z).requires_grad


@every_case
@pytest.mark.parametrize("rule", ["exact", "native"])
def test_every_method_works_in_inference_mode(sigma, rule) -> None:
    """As in a Lightning validation step: the numbers are the same."""
    sigma = with_rule(sigma, rule)
    outside = torch.linspace(-3, 3, 9)
    expected = [sigma(outside), sigma.derivative(outside), sigma.second_derivative(outside)]
    with torch.inference_mode():
        z = torch.linspace(-3, 3, 9)
        found = [sigma(z), sigma.derivative(z), sigma.second_derivative(z)]
        a, slope = torch.empty(9), torch.empty(9)
        sigma.evaluate(z, a, slope)
    for ours, theirs in zip([*found, a, slope], [*expected, *expected[:2]], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


# -- laws ---------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(point=st.floats(-700.0, 700.0))
def test_identities_between_the_rooms(point) -> None:
    """What binds the rooms to each other, at any point."""
    z = torch.tensor([point, -point], dtype=torch.float64)
    close = {"rtol": 1e-14, "atol": 1e-15}
    sigmoid, tanh = Sigmoid(), Tanh()
    torch.testing.assert_close(sigmoid.value(z).sum(), torch.ones((), dtype=z.dtype), **close)
    assert torch.equal(sigmoid.derivative(z), sigmoid.derivative(-z))
    torch.testing.assert_close(tanh.value(z), 2 * sigmoid.value(2 * z) - 1, **close)
    torch.testing.assert_close(tanh.derivative(z), 4 * sigmoid.derivative(2 * z), **close)
    torch.testing.assert_close(Softplus().derivative(z), sigmoid.value(z), **close)
    torch.testing.assert_close(Softplus().value(z) - Softplus().value(-z), z, **close)
    torch.testing.assert_close(SiLU().value(z), z * sigmoid.value(z), **close)
    assert torch.equal(ReLU().value(ReLU().value(z)), ReLU().value(z))
    assert torch.equal(ELU(alpha=0.0).value(z).abs(), ReLU().value(z))
