"""The approximation study on made-up errors with known powers of N, and its own networks in miniature."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.app.command import train
from tests.reporting.fabricated import write_cell

from experiments.core.study import Findings
from experiments.reporting.collect import collect
from experiments.studies import Approximation

AXES = {"data": "unit_cube", "data.target": "sine", "data.target.cycles": 1.0, "data.dimension": 1}


def _findings(
    folder: Path,
    power: float,
    widths: tuple[int, ...] = (4, 16, 64),
    depths: tuple[int, ...] = (1,),
    seeds: int = 4,
    **axes: Any,
) -> Findings:
    """Errors N^power with a little noise; the second rate is a hundred times worse."""
    rng = np.random.default_rng(0)
    for depth in depths:
        for width in widths:
            for seed in range(seeds):
                for rate, factor in ((0.01, 1.0), (0.1, 100.0)):
                    error = factor * width**power / depth * (1 + 0.01 * rng.standard_normal())
                    settings = {"activation": "relu", "model.depth": depth, "model.width": width}
                    write_cell(
                        folder,
                        f"{depth}-{width}-{seed}-{rate}",
                        AXES | settings | {"optimizer.lr": rate, "seed": seed} | axes,
                        metrics={"val/loss": factor, "test/loss": error**2}
                        | {"test/largest_error": error},
                    )
    collection = collect(folder)
    return Approximation().findings(collection.results, collection.ledger, folder)


@pytest.mark.parametrize(("power", "outcome"), [(-2.0, "confirmed"), (-0.5, "refuted")])
def test_the_power_that_was_put_in_comes_out(tmp_path: Path, power: float, outcome: str) -> None:
    """At the rate that validation chooses."""
    found = _findings(tmp_path, power)
    assert found.verdicts[0].outcome == outcome
    slope = re.search(r"relu (-[\d.]+) \[", found.verdicts[0].sentence)
    assert slope is not None
    assert float(slope[1]) == pytest.approx(power, abs=0.01)
    table = found.tables[0].frame
    assert set(table["rate"]) == {"0.01"}
    # straight pieces of one period of a sine: (2 pi)^2 / (8 N^2), a little less with few pieces
    assert list(table["written down"]) == pytest.approx([0.2105, 0.01885, 0.001203], rel=1e-3)
    assert "straight pieces" in found.figures[0].caption


def test_one_width_decides_nothing(tmp_path: Path) -> None:
    """A slope needs two."""
    found = _findings(tmp_path, -1.0, widths=(4,))
    assert found.verdicts[0].outcome == "undecided"
    assert "No activation has several widths" in found.verdicts[0].sentence


def test_deeper_networks_are_compared_with_one_layer(tmp_path: Path) -> None:
    """With half the error: a ratio of 1/2, paired by seed."""
    found = _findings(tmp_path, -1.0, depths=(1, 2))
    (sentence,) = [v.sentence for v in found.verdicts if "of the same width" in v.sentence]
    assert "relu with 2 layers of 64: 0.5" in sentence


@pytest.mark.parametrize(
    "other",
    [
        {"data": "digits"},
        {"data.dimension": 2},
        {"data.target": "a_function_of_mine"},
        {"activation": "leaky_relu"},
    ],
    ids=str,
)
def test_where_nothing_can_be_written_down_the_rest_is_answered(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    """Other data, several inputs, an unknown function, an activation that is flat nowhere."""
    found = _findings(tmp_path, -2.0, **other)
    assert found.verdicts[0].outcome == "confirmed"
    assert found.tables[0].frame["written down"].isna().all()


def test_without_the_metric_the_study_says_what_is_missing(tmp_path: Path) -> None:
    """It names the setting."""
    write_cell(tmp_path, "only", AXES | {"activation": "relu", "model.depth": 1, "model.width": 4})
    collection = collect(tmp_path)
    (verdict,) = Approximation().findings(collection.results, collection.ledger, tmp_path).verdicts
    assert "metric=largest_error" in verdict.sentence


def test_its_own_command_measures_what_it_reads(tmp_path: Path) -> None:
    """Two widths, one rate, two seeds, a few steps."""
    answer = train(
        "study=approximation",
        f"runs_dir={tmp_path}",
        "activation=tanh",
        "model.depth=1",
        "model.width=4,8",
        "optimizer.lr=0.03",
        "seed=0,1",
        "trainer.max_steps=20",
    )
    assert answer.status == 0, answer.err
    collection = collect(tmp_path / "approximation")
    results = collection.results
    assert (results["test/largest_error"] >= np.sqrt(results["test/loss"])).all()
    assert set(results["data.target"]) == {"sine"}
    found = Approximation().findings(results, collection.ledger, tmp_path)
    assert found.tables[0].frame["written down"].notna().all()
