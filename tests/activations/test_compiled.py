"""Loops compiled from scalar formulas: right to a few units, and the same bits wherever a number stands."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.activations.rooms import CASES, name_of, numbers_of, oracle_of, with_rule
from tests.activations.test_accuracy import ENDS, sample
from tests.oracles.activations import ulps
from torch import Tensor

from experiments.activations import Sigmoid, Tanh
from experiments.core import operations
from experiments.core.activation import Activation
from experiments.core.compiled import loop
from experiments.core.errors import ConfigurationError

every_formula = pytest.mark.parametrize(
    "sigma", [sigma for sigma in CASES if sigma.of_number is not None], ids=name_of
)
every_type = pytest.mark.parametrize("dtype", ENDS, ids=str)


def computed(sigma: Activation, z: Tensor) -> tuple[Tensor, Tensor]:
    """(sigma(z), sigma'(z)) by the compiled loop."""
    a, slope = torch.full_like(z, 7.0), torch.full_like(z, 7.0)
    (run,) = sigma.bind(z, a, slope, compile=True)
    run()
    return a, slope


@every_formula
@every_type
@pytest.mark.parametrize("order", [0, 1], ids=["value", "derivative"])
def test_a_compiled_loop_is_right_to_four_ulp(sigma, dtype, order) -> None:
    """Against 60 digits, from the middle to the ends of both tails, subnormal results included."""
    z = sample(dtype, 400)
    distance = ulps(computed(sigma, z)[order].numpy(), oracle_of(sigma)[order], z.tolist())
    assert distance.max() <= 4.0


@every_formula
@every_type
def test_a_compiled_loop_has_the_same_special_values(sigma, dtype) -> None:
    """NaN, both infinities and zeros of either sign give what value and derivative give."""
    z = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1e-300, -1e-300], dtype=dtype)
    for found, expected in zip(
        computed(sigma, z), (sigma.value(z), sigma.derivative(z)), strict=True
    ):
        torch.testing.assert_close(
            found, expected, rtol=4 * torch.finfo(dtype).eps, atol=0, equal_nan=True
        )
        assert torch.equal(found.signbit()[3:5], expected.signbit()[3:5])


@every_formula
@every_type
def test_a_number_has_the_same_bits_at_every_place(sigma, dtype) -> None:
    """In vectors, in the rest behind the last full vector, and alone: a run is what it is alone."""
    z = torch.from_numpy(np.random.default_rng(0).normal(0, 4, 133)).to(dtype)
    whole = computed(sigma, z)
    alone = [computed(sigma, z[i : i + 1]) for i in range(len(z))]
    for together, parts in zip(whole, zip(*alone, strict=True), strict=True):
        assert torch.equal(together, torch.cat(parts))


@every_formula
def test_a_formula_of_one_number_is_plain_python(sigma) -> None:
    """Called with a float it gives value and derivative in float64, without a compiler."""
    for z in (-30.0, -1.5, -1e-9, 0.0, 0.4, 12.0):
        found = sigma.of_number(z, *numbers_of(sigma))
        assert found == pytest.approx([float(f(z)) for f in oracle_of(sigma)[:2]], rel=1e-14)


@every_formula
def test_what_cannot_be_compiled_is_computed_by_operations(sigma) -> None:
    """Half precision, gaps in memory, torch's own rule: the same operations as without a compiler."""
    z = torch.randn(6, 8)
    single = with_rule(sigma, "native")
    assert sigma.compiles(z)
    for refused, rows in ((sigma, z.half()), (sigma, z[:, ::2]), (sigma, z.mT), (single, z)):
        assert not refused.compiles(rows)
        a, slope = torch.empty_like(rows), torch.empty_like(rows)
        many = refused.bind(rows, a, slope, compile=True)
        assert len(many) == len(refused.bind(rows, a, slope))
        for operation in many:
            operation()
        torch.testing.assert_close(a, refused.value(rows))
        torch.testing.assert_close(slope, refused.derivative(rows))


def test_compiling_without_numba_is_refused_with_the_remedy(monkeypatch) -> None:
    """Not silently slower."""
    monkeypatch.setattr(operations, "compiler_problem", lambda: "no Numba")
    z = torch.zeros(3)
    with pytest.raises(ConfigurationError, match=r"found no Numba; expected .*pip install numba"):
        Tanh().bind(z, z.clone(), z.clone(), compile=True)
    assert len(Tanh().bind(z, z.clone(), z.clone())) == 2


def tried(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("package", "switched_off", "found"),
    [
        ("raise ImportError('needs NumPy 1.9 or less')", "0", "imported (ImportError: needs NumPy"),
        (None, "1", "NUMBA_DISABLE_JIT"),
    ],
    ids=["another NumPy", "switched off"],
)
def test_a_numba_that_does_not_compile_is_refused(tmp_path, package, switched_off, found) -> None:
    """With the reason, in the words of this laboratory."""
    if package is not None:
        (tmp_path / "numba").mkdir()
        (tmp_path / "numba" / "__init__.py").write_text(package, encoding="utf-8")
    answer = tried(
        "import torch; from experiments.activations import Tanh; z = torch.zeros(3); "
        "Tanh().bind(z, z.clone(), z.clone(), compile=True)",
        PYTHONPATH=str(tmp_path),
        NUMBA_DISABLE_JIT=switched_off,
    )
    error = answer.stderr.splitlines()[-1]
    assert error.startswith("experiments.core.errors.ConfigurationError: found a Numba")
    assert found in error


@pytest.mark.parametrize(
    "like", [torch.zeros(2), torch.zeros(3, dtype=torch.float64)], ids=["shorter", "wider"]
)
def test_buffers_unlike_z_are_refused(like) -> None:
    """The loop would write beyond them."""
    z = torch.zeros(3)
    with pytest.raises(
        ValueError, match=r"found z, a and derivative that are .* one shape and type"
    ):
        operations.compiled(Tanh.of_number, z, like, z.clone())


def test_a_formula_must_be_plain() -> None:
    """A default or a closure would be lost on the way to the compiler."""
    shift = 2.0
    for formula in (lambda z, c=1.0: (z, c), lambda z: (z, shift)):
        with pytest.raises(
            TypeError, match=r"with defaults or a closure; expected a plain function"
        ):
            loop(formula, torch.float32)


def test_numba_is_imported_only_to_compile() -> None:
    """It takes a third of a second, which a command that compiles nothing does not pay."""
    script = (
        "import sys, torch, experiments.training.train; from experiments.activations import Tanh; "
        "z = torch.zeros(3); Tanh().bind(z, z.clone(), z.clone()); assert 'numba' not in sys.modules; "
        "Tanh().bind(z, z.clone(), z.clone(), compile=True); assert 'numba' in sys.modules"
    )
    answer = tried(script)
    assert answer.returncode == 0, answer.stderr


def test_a_subnormal_result_is_kept_or_flushed_as_told() -> None:
    """sigma'(-95) is below the smallest normal float32; the setting of the thread decides."""
    z = torch.tensor([-95.0])
    assert float(computed(Sigmoid(), z)[1]) == pytest.approx(5.5e-42, rel=0.01)
    torch.set_flush_denormal(True)
    try:
        assert float(computed(Sigmoid(), z)[1]) == 0.0
    finally:
        torch.set_flush_denormal(False)
