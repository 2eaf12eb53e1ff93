"""Networks with a planted fault have its symptom; sound ones have none."""

from pathlib import Path

import numpy as np
import pytest
from pandas import DataFrame
from tests.app.composing import cell, vary

from experiments.app.run import run_cells
from experiments.reporting.collect import Collection, collect
from experiments.studies import Sweep
from experiments.studies.reading.diagnosis import Symptom, diagnose

SMALL = ("probe=ledger", "model.width=16", "model.depth=2", "trainer.max_steps=300")
ADAM = ("optimizer=adam", "optimizer.lr=0.01")

SOUND = {
    "relu": ("activation=relu", "initializer=he", "model.depth=3", *ADAM),
    "tanh": ("activation=tanh", "initializer=glorot", "model.depth=3", *ADAM),
    "elu": ("activation=elu", "initializer=lecun", "model.depth=5", *ADAM),
    "sigmoid": ("activation=sigmoid", "initializer=glorot", "model.depth=1", *ADAM),
    "relu, plain descent": ("activation=relu", "initializer=he", "optimizer.lr=0.3"),
}
#: how badly depends on the last bits, which differ from processor to processor
LEARNS_BADLY = {"little learnt", "nothing learnt"}
#: fault -> what was done, what must be found, and what may follow from it
FAULTY = {
    "sigmoid, twelve layers": (
        ("activation=sigmoid", "initializer=glorot", "model.depth=12", *ADAM),
        {"vanishing gradient"},
        LEARNS_BADLY,
    ),
    "weights twice too large": (
        ("activation=relu", "initializer=gaussian", "initializer.sigma_w=4", "model.depth=10", *ADAM),
        {"exploding gradient"},
        LEARNS_BADLY,
    ),
    "biases below every signal": (
        ("activation=relu", "initializer=constant", "initializer.w=0.01", "initializer.b=-1", *ADAM),
        {"dead units", "nothing learnt"},
        {"steps too small"},
    ),
    "a rate that kills units": (
        ("activation=relu", "initializer=he", "optimizer.lr=30"),
        {"dead units", "steps too large", "nothing learnt"},
        {"diverged"},
    ),
    "weights thirty times too large": (
        ("activation=tanh", "initializer=gaussian", "initializer.sigma_w=30", *ADAM),
        {"saturated units"},
        LEARNS_BADLY,
    ),
    "a rate that saturates units": (
        ("activation=tanh", "initializer=glorot", "optimizer=adam", "optimizer.lr=1.0"),
        {"saturated units", "steps too large"},
        LEARNS_BADLY,
    ),
    "no rate to speak of": (
        ("activation=tanh", "initializer=glorot", "optimizer.lr=1e-9"),
        {"steps too small"},
        LEARNS_BADLY,
    ),
    "a rate beyond the floats": (
        ("activation=relu", "initializer=he", "loss=squared_error", "optimizer.lr=1e20"),
        {"diverged", "steps too large"},
        {"dead units", "nothing learnt"},
    ),
}  # fmt: skip


def trained(folder: Path, *overrides: str) -> Collection:
    """Three seeds of one configuration."""
    like = cell(*SMALL, *overrides, runs_dir=folder)
    run_cells(vary(like, {"seed": (0, 1, 2)}))
    return collect(folder / "default")


def symptoms(folder: Path, *overrides: str) -> dict[str, Symptom]:
    """What ails them, by name."""
    found = trained(folder, *overrides)
    return {symptom.name: symptom for symptom in diagnose(found.results, found.ledger)}


@pytest.mark.parametrize("name", SOUND)
def test_sound_networks_have_no_symptom(name, tmp_path) -> None:
    """Usual starts, depths and rates: no false alarm."""
    assert symptoms(tmp_path, *SOUND[name]) == {}


@pytest.mark.parametrize("name", FAULTY)
def test_a_planted_fault_is_found_and_nothing_else(name, tmp_path) -> None:
    """The symptom of the fault, what follows from it, and no other."""
    overrides, wanted, consequences = FAULTY[name]
    found = symptoms(tmp_path, *overrides)
    assert wanted <= found.keys() <= wanted | consequences
    assert all(2 * s.seeds > s.judged or s.name == "diverged" for s in found.values())


@pytest.mark.parametrize("name", ["sigmoid, twelve layers", "weights twice too large"])
def test_what_is_to_be_tried_mends_the_gradient(name, tmp_path) -> None:
    """The first remedy of a gradient that vanishes or explodes, taken at its word."""
    overrides = [o for o in FAULTY[name][0] if not o.startswith("initializer.")]
    (symptom,) = FAULTY[name][1]
    remedy = symptoms(tmp_path / "ill", *FAULTY[name][0])[symptom].remedy
    mended = symptoms(tmp_path / "mended", *overrides, remedy.split("; ")[0])
    assert symptom not in mended


def test_a_setting_in_force_is_not_advised(tmp_path) -> None:
    """Dead units of He's own initialiser are not told to use it."""
    found = symptoms(tmp_path, *FAULTY["a rate that kills units"][0])
    assert "initializer=he" not in found["dead units"].remedy
    assert "leaky_relu" in found["dead units"].remedy


def made_up(**columns: list[float]) -> tuple[DataFrame, DataFrame]:
    """Two seeds of three hidden layers, and a ledger of their start."""
    layers = 4
    rows = DataFrame(
        {"cell": ["a", "b"], "status": "finished", "activation": "tanh", "data": "digits"}
    )
    ledger = DataFrame(
        {
            "cell": np.repeat(["a", "b"], layers),
            "step": 0,
            "layer": np.tile(np.arange(2, 2 + layers), 2),
            **columns,
        }
    )
    return rows, ledger


@pytest.mark.parametrize(
    ("data", "accuracy", "wanted"),
    [
        ("digits", [0.1, 0.14], "nothing learnt"),
        ("digits", [0.18, 0.26], "little learnt"),
        ("digits", [0.1, 0.26], "little learnt"),  # half of the seeds are not most of them
        ("digits", [0.3, 0.9], None),
        ("rings", [0.54, 0.5], "nothing learnt"),
        ("rings", [0.58, 0.59], "little learnt"),
        ("rings", [0.65, 0.61], None),
    ],
)
def test_what_was_learnt_is_judged_between_guessing_and_one(data, accuracy, wanted) -> None:
    """Ten classes guess 0.1 and two guess 0.5; a fifth of the way to 1 is 0.28 and 0.6."""
    rows, ledger = made_up(log10_delta_norm=[0.0] * 8)
    columns = {"data": data, "val/accuracy": accuracy, "trainer.max_steps": 300}
    names = [symptom.name for symptom in diagnose(rows.assign(**columns), ledger)]
    assert names == ([] if wanted is None else [wanted])


@pytest.mark.parametrize(
    ("columns", "clause"),
    [
        ({}, ""),
        ({"diverged_at": [None, None]}, ""),
        ({"diverged_at": [np.nan, 7.0]}, ", typically from step 7 on"),
    ],
)
def test_a_divergence_names_its_step_where_one_is_known(columns, clause: str) -> None:
    """Not every record says when its numbers ended."""
    rows, ledger = made_up(log10_delta_norm=[0.0] * 8)
    (found,) = diagnose(rows.assign(status="diverged", **columns), ledger)
    assert found.evidence == f"the loss or the weights are not finite{clause}"


def test_the_evidence_names_numbers_and_place() -> None:
    """Gradients of 1e-5 and 1e-7 of the last hidden layer's: the geometric mean is 1e-6."""
    log10 = [-5.0, -2.0, 0.0, 1.0, -7.0, -2.0, 0.0, 1.0]
    (found,) = diagnose(*made_up(log10_delta_norm=log10))
    assert found.name == "vanishing gradient"
    assert "1.0×10⁻⁶" in found.evidence
    (found,) = diagnose(*made_up(log10_delta_norm=[0.0] * 8, saturated=[0, 0.9, 0.1, 1.0] * 2))
    assert found.name == "saturated units"
    assert found.evidence.startswith("before training, 0.9 [0.9, 0.9] of the slopes")
    assert found.evidence.endswith("in the worst layer, most often l = 3")


def test_one_seed_of_two_is_not_most() -> None:
    """Half of the seeds make no symptom of the configuration; zeros are smaller than any bound."""
    log10 = [-5.0, 0, 0, 0, 0, 0, 0, 0]
    assert diagnose(*made_up(log10_delta_norm=log10)) == []
    (found,) = diagnose(*made_up(log10_delta_norm=[-np.inf, 0, 0, 0, -4.0, 0, 0, 0]))
    assert (found.seeds, found.judged) == (2, 2)
    assert "1.0×10⁻⁴ (one seed, no interval; 1 not finite)" in found.evidence


def test_a_sweep_says_what_ails_it(tmp_path) -> None:
    """In a sentence and in the table; without a ledger it says what it could not see."""
    found = trained(tmp_path / "ill", *FAULTY["sigmoid, twelve layers"][0])
    findings = Sweep().findings(found.results, found.ledger, tmp_path / "ill" / "default")
    told = [v.sentence for v in findings.verdicts if v.sentence.startswith("Vanishing gradient: ")]
    assert "To try: initializer=critical; " in told[0]
    assert "vanishing gradient" in list(findings.tables[1].frame["symptom"])
    found = trained(tmp_path / "well", *SOUND["tanh"], "probe=none")
    findings = Sweep().findings(found.results, found.ledger, tmp_path / "well" / "default")
    assert len(findings.tables) == 1
    assert "No symptom of trouble was found; nothing was recorded" in findings.verdicts[-1].sentence
