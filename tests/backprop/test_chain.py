"""The scalar chain of note 003: product formula, bound and window."""

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from experiments.activations import Identity, Sigmoid, Tanh
from experiments.backprop import active_window, scalar_chain, widest_window


def by_autograd(x, w, b, output):
    """f and df/dw_l through torch."""
    weights = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    a = torch.tensor(x, dtype=torch.float64)
    for k in range(len(w)):
        z = weights[k] * a + b[k]
        a = z if output and k == len(w) - 1 else torch.sigmoid(z)
    return float(a.detach()), torch.autograd.grad(a, weights)[0].tolist()


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=8),
    st.floats(-2, 2),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_product_is_the_derivative(layers, x, output):
    """Every df/dw_l is autograd's, with and without the identity on top, as in the note."""
    w, b = [layer[0] for layer in layers], [layer[1] for layer in layers]
    terms = scalar_chain(x, w, b, Sigmoid(), Identity() if output else None)
    value, gradients = by_autograd(x, w, b, output)
    assert terms[-1].a == pytest.approx(value, rel=1e-13, abs=1e-300)
    for term, gradient in zip(terms, gradients, strict=True):
        assert term.gradient_w == pytest.approx(gradient, rel=1e-11, abs=1e-300)
    product = math.prod(term.factor for term in terms)
    assert product == pytest.approx(terms[0].gradient_w, rel=1e-12, abs=1e-300)


def test_logarithms_continue_below_the_floats():
    """A chain of 2,000: df/dw_1 is 0 as a float, its log10 the sum of the factors' logarithms."""
    terms = scalar_chain(1.0, [0.5] * 2000, [0.1] * 2000, Sigmoid())
    assert terms[0].gradient_w == 0.0
    assert terms[0].log10_gradient_w == pytest.approx(
        sum(math.log10(abs(term.factor)) for term in terms)
    )
    assert terms[0].log10_gradient_w == pytest.approx(terms[-1].log10_product)
    assert terms[0].log10_gradient_w < -1500
    assert terms[-1].gradient_w == pytest.approx(terms[-2].a * terms[-1].derivative)


def test_exploding_example():
    """w = 100 and z = 0 in all layers: a factor of exactly 25 each (Nielsen, chapter 5)."""
    terms = scalar_chain(0.5, [100.0] * 1000, [-50.0] * 1000, Sigmoid())
    assert {term.factor for term in terms[1:]} == {25.0}
    assert terms[0].gradient_w == math.inf
    assert terms[0].log10_gradient_w == pytest.approx(math.log10(0.125) + 999 * math.log10(25))


def test_a_factor_of_zero_ends_the_product():
    """x = 0 makes df/dw_1 zero whatever the others are: -inf, not nan."""
    terms = scalar_chain(0.0, [100.0] * 3, [0.0, -50.0, -50.0], Sigmoid())
    assert terms[0].gradient_w == 0.0
    assert terms[0].log10_gradient_w == -math.inf


@pytest.mark.parametrize("w", [4.0, 4.5, 6.89415, 10.0, -20.0, 1000.0])
def test_window_is_where_the_factor_reaches_one(w):
    """The width is the distance of the two roots of |w| sigma'(w a) = 1."""

    def excess(a):
        s = 1 / (1 + math.exp(-w * a))
        return abs(w) * s * (1 - s) - 1

    if abs(w) == 4:
        assert active_window(w) == 0
    else:
        assert active_window(w) == pytest.approx(2 * brentq(excess, 0, 600 / abs(w)), rel=1e-9)


@pytest.mark.parametrize("w", [4 + 1e-13, 1e15, 1e17, -1e300])
def test_windows_at_the_ends_of_the_floats(w):
    """(4/|w|) artanh sqrt(1 - 4/|w|) with 400 digits, where float64's root is near 0 or rounds to 1."""
    with mpmath.workdps(400):
        share = 4 / abs(mpmath.mpf(w))
        expected = float(share * mpmath.atanh(mpmath.sqrt(1 - share)))
    assert active_window(w) == pytest.approx(expected, rel=1e-13)


def test_a_factor_below_the_floats_has_a_logarithm():
    """w = 1e-200 and sigma'(-600) = e^-600: their product is no float, and neither is df/dw_1."""
    first, second = scalar_chain(1.0, [1.0, 1e-200], [0.0, -600.0], Sigmoid())
    slope = math.log10(math.exp(-1) / (1 + math.exp(-1)) ** 2)
    assert second.factor == 0.0
    assert second.log10_product == pytest.approx(slope - 200 - 600 / math.log(10), abs=1e-9)
    assert first.log10_gradient_w == pytest.approx(second.log10_product, abs=1e-9)


def test_the_bound_story():
    """No window below |w| = 4; the widest is .447743205 at 6.89415."""
    assert active_window(3.999) == 0.0
    w, width = widest_window()
    assert w == pytest.approx(6.89415, abs=1e-5)
    assert width == pytest.approx(0.447743205, abs=1e-9)
    assert all(active_window(w + step) < width for step in (-0.01, 0.01))


def test_a_chain_needs_layers():
    """Unequal or no layers are refused; any activation may stand in the chain."""
    with pytest.raises(ValueError, match="found 2 weights and 1 biases"):
        scalar_chain(1.0, [1.0, 2.0], [0.0], Sigmoid())
    with pytest.raises(ValueError, match="found 0 weights"):
        scalar_chain(1.0, [], [], Sigmoid())
    assert scalar_chain(0.0, [3.0], [0.0], Tanh())[0].derivative == 1.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_of_a_chain_are_finite(bad):
    """What is not finite is refused wherever it stands, and so is a window of such a weight."""
    for x, w, b in ((bad, 1.0, 0.0), (1.0, bad, 0.0), (1.0, 1.0, bad)):
        with pytest.raises(ValueError, match="expected finite numbers"):
            scalar_chain(x, [1.0, w], [0.0, b], Sigmoid())
    with pytest.raises(ValueError, match=f"found w with {bad} at place 0; expected finite"):
        active_window(bad)


def test_a_chain_takes_vectors():
    """Weights and biases as tensors are the same chain as lists of them."""
    w, b = torch.tensor([0.5, -2.0]), torch.tensor([0.25, 1.0])
    assert scalar_chain(1.0, w, b, Sigmoid()) == scalar_chain(
        1.0, w.tolist(), b.tolist(), Sigmoid()
    )
