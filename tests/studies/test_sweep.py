"""The sweep study on made-up rows: which figures it draws, and that no cell is left out of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame

from experiments.core.study import Figure
from experiments.reporting.figures import Axis, Panel
from experiments.studies import sweep

NO_LEDGER = DataFrame({"cell": [], "step": [], "layer": [], "log10_delta_norm": []})
Drawn = dict[str, tuple[list[Panel], Axis]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What every figure against an axis was given, by its title."""
    found: Drawn = {}

    def noted(panels: list[Panel], x: Axis, y: Axis, title: str, caption: str) -> Figure:
        found[title] = (panels, x)
        return Figure(title, caption, "<svg/>")

    monkeypatch.setattr(sweep, "against_axis", noted)
    monkeypatch.setattr(sweep, "learning_curve", lambda *_: None)
    return found


def _rows(key: str, accuracies: dict[Any, float], seeds: int = 2, **fixed: Any) -> list[dict]:
    """One cell for each value of the axis and each seed."""
    return [
        {"cell": f"{fixed} {value} {seed}", "status": "finished", key: value, "seed": seed,
         "val/accuracy": accuracy} | fixed
        for value, accuracy in accuracies.items() for seed in range(seeds)
    ]  # fmt: skip


def _means(panel: Panel) -> list[list[float]]:
    return [[float(np.mean(seeds)) for seeds in curve.samples] for curve in panel.curves]


def test_numbers_are_drawn_on_an_axis_of_numbers(drawn: Drawn, tmp_path: Path) -> None:
    """Three batch sizes stand where their numbers are."""
    results = DataFrame(_rows("trainer.batch_size", {64: 0.8, 16: 0.9, 256: 0.7}))
    sweep.Sweep().findings(results, NO_LEDGER, tmp_path)
    (panel,), axis = drawn["Validation accuracy against batch size"]
    assert axis.names == ()
    assert panel.curves[0].x.tolist() == [16.0, 64.0, 256.0]
    assert _means(panel) == [[0.9, 0.8, 0.7]]


@pytest.mark.parametrize(
    ("accuracies", "names", "means"),
    [
        ({None: 0.9, 100: 0.6}, ("100", "null"), [0.6, 0.9]),
        ({16: 0.9, 64: 0.8, None: 0.7}, ("16", "64", "null"), [0.9, 0.8, 0.7]),
        ({None: 0.3, "fast": 0.5}, ("fast", "null"), [0.5, 0.3]),
    ],
)
def test_cells_with_null_have_a_place_of_their_own(
    accuracies: dict[Any, float],
    names: tuple[str, ...],
    means: list[float],
    drawn: Drawn,
    tmp_path: Path,
) -> None:
    """All examples, the full batch or no option: a named place beside the others, the last."""
    results = DataFrame(_rows("trainer.some_number", accuracies))
    sweep.Sweep().findings(results, NO_LEDGER, tmp_path)
    (panel,), axis = drawn["Validation accuracy against some number"]
    assert axis.names == names
    assert panel.curves[0].x.tolist() == list(range(len(names)))
    assert _means(panel) == [pytest.approx(means)]


def test_every_line_has_its_own_cells_with_null(drawn: Drawn, tmp_path: Path) -> None:
    """Two activations at null and at 100: two lines of two places, none of them mixed up."""
    results = DataFrame(
        _rows("data.train_examples", {None: 0.9, 100: 0.6}, activation="relu")
        + _rows("data.train_examples", {None: 0.8, 100: 0.5}, activation="tanh")
    )
    sweep.Sweep().findings(results, NO_LEDGER, tmp_path)
    (panel,), _ = drawn["Validation accuracy against train examples"]
    assert [curve.label for curve in panel.curves] == ["relu", "tanh"]
    assert _means(panel) == [pytest.approx([0.6, 0.9]), pytest.approx([0.5, 0.8])]


def _folder(**columns: list[Any]) -> DataFrame:
    """Finished cells, each with an accuracy."""
    count = len(next(iter(columns.values())))
    known = {"cell": [f"{k}" for k in range(count)], "status": "finished", "val/accuracy": 0.5}
    return DataFrame(known | columns)


def test_a_setting_that_rides_along_with_an_axis_is_named(drawn: Drawn, tmp_path: Path) -> None:
    """Two sweeps in one folder: the deepest networks were trained for fewer steps."""
    mixed = _folder(**{"model.depth": [2, 8, 16], "trainer.max_steps": [300, 300, 20]})
    said = sweep.Sweep().findings(mixed, NO_LEDGER, tmp_path).verdicts[1].sentence
    assert said.startswith("Besides depth, trainer.max_steps (20, 300) differs too")
    pairs = _folder(activation=["relu", "tanh"], initializer=["he", "glorot"], seed=[0, 1])
    said = sweep.Sweep().findings(pairs, NO_LEDGER, tmp_path).verdicts[1].sentence
    assert said.startswith("Besides activation, initializer (he, glorot) differs too")


@pytest.mark.parametrize(
    "columns",
    [
        {"initializer": ["gaussian", "he"], "initializer.sigma_w": [1.5, None]},
        {"loss": ["a", "b"], "loss.link": ["softmax", "identity"]},
        {"model.depth": [2, 8], "model.width": [64, 32], "model.parameters": [None, 9]},
        {"seed": [0, 1], "data.seed": [0, 1]},
        {"activation.alpha": [1.0, 2.0], "initializer.activation.alpha": [1.0, 2.0]},
        {"seed": [0, 1], "probe.every": [None, 5]},
        {"model.depth": [2, 8], "trainer.max_steps": [30, 30]},
    ],
    ids=lambda columns: "-".join(columns),
)
def test_what_an_option_or_the_sizes_bring_along_is_not(columns, drawn, tmp_path) -> None:
    """Arguments of the option itself, sizes that follow from sizes, seeds of the seed, what watches."""
    findings = sweep.Sweep().findings(_folder(**columns), NO_LEDGER, tmp_path)
    assert not any("differ" in verdict.sentence for verdict in findings.verdicts)
