"""The advice command: its lines, its check on drawn networks, and what it refuses."""

import math
import re

import pytest

from experiments.app.advise import _bounds, main
from experiments.theory.kernel import LearningRates

SMALL = ("model.depth=3", "model.width=24", "trainer.accelerator=cpu", "data=digits")


def test_advice_prints_recommendation_and_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    """The critical start, depth, learning rates, and measured factors within 10 % of the predicted."""
    assert main(["activation=tanh", *SMALL]) == 0
    said = capsys.readouterr().out
    assert "initializer.sigma_w=1.32701 initializer.sigma_b=0.223607" in said
    for words in ("xi_c = inf", "sigma_w from", "learning rate", "torch_default", "a short run"):
        assert words in said
    factor = re.search(r"gradient norm, factor a layer\s+(\S+)\s+(\S+)", said)
    assert factor is not None
    predicted, measured = map(float, factor.groups())
    assert measured == pytest.approx(predicted, rel=0.1)
    stable, _, unstable = re.findall(
        r"^  \S+\s+(?:stable|between|unstable).*?([\d.]+|nan)\s+([\d.]+|nan)", said, re.M
    )
    assert float(stable[1]) < float(stable[0])
    assert unstable[1] == "nan" or float(unstable[1]) > float(stable[1])


def test_a_loss_without_curvature_sets_no_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """Absolute error on raw outputs: in words, without a short run, and everything else as ever."""
    assert main(["activation=tanh", *SMALL, "loss=absolute_error"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"descent: the loss has no positive curvature, so theory sets no bound$", said, re.M
    )
    assert "Adam: " in said
    assert "correlation of two examples there" in said
    assert "a short run" not in said


def test_a_bound_at_infinity_is_told_in_words() -> None:
    """Examples without a common direction: there is a lower bound on the stable rates alone."""
    told = _bounds(LearningRates(safe=0.25, limit=math.inf))
    assert told.startswith("stable to about 0.25; no direction is common")
    assert "inf" not in told


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        # sigma_w^2 = 1: half of the square of the gradient is lost in every layer, xi = 1 / ln 2
        (
            ["initializer=glorot", "model.depth=12"],
            r"glorot: .* factor 0\.7071 a layer; trainable to about 8\.656 layers, too few for 12",
        ),
        (["initializer=he", "model.depth=12"], r"he: .* factor 1 a layer; .* any depth, enough for 12"),
        (["initializer=constant", "model.depth=3"], r"constant: the units of a layer are alike"),
    ],
)  # fmt: skip
def test_the_start_that_was_asked_for_is_judged(overrides, told, capsys) -> None:
    """Not only what to start from: also what becomes of the settings as they are."""
    assert main(["activation=relu", *SMALL, *overrides]) == 0
    assert re.search("as set +" + told, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["activation=reluu"], ("activation/reluu", "elu")),
        (["model.dpth=3"], ("model.dpth",)),
        (["model.depth=-1"], ("model.depth=-1", "from 0")),
        (["model.skip=true"], ("model.skip=True", "plain network")),
        (["model.hidden=[3,4]"], ("model.hidden=[3, 4]", "equal hidden widths")),
    ],
)
def test_settings_that_cannot_be_advised_on_are_refused(overrides, words) -> None:
    """An unknown option or key, a negative depth, skips and unequal widths: one message, then out."""
    with pytest.raises(SystemExit) as leaving:
        main(overrides)
    for word in words:
        assert word in str(leaving.value)


def test_help_explains_and_computes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows two examples."""
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.count("python scripts/advise.py") == 3
