"""Best depth, remedies, trainable depth on made-up sweeps with known answers; the last also for real."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from pandas import DataFrame
from tests.app.command import train
from tests.reporting.fabricated import write_cell

from experiments.core.study import Findings
from experiments.reporting.collect import collect
from experiments.studies import BestDepth, Remedies, TrainableDepth
from experiments.studies.reading.remedy import variants_of
from experiments.studies.trainable_depth import reaches_of
from experiments.studies.trainable_figures import rule_of

#: what a made-up network has in common with all others
SHARED = {
    "status": "finished", "data": "digits", "loss": "cross_entropy", "model.width": 64,
    "optimizer": "sgd", "trainer.batch_size": 64,
}  # fmt: skip


#: the contract of studies draws them; here only what is said is looked at
UNDRAWN = {
    kind: patch(f"experiments.studies.{kind}.figures", return_value=())
    for kind in ("best_depth", "remedies", "trainable_depth")
}


def _table(rows: list[dict[str, Any]]) -> DataFrame:
    return DataFrame([{"cell": f"c{k}"} | SHARED | row for k, row in enumerate(rows)])


# -- best depth ------------------------------------------------------------------------------------

#: depth -> loss, by activation and number of parameters
FEW_ARE_ENOUGH = {
    ("tanh", None): {1: 0.30, 2: 0.20, 5: 0.2002, 13: 0.2001},
    ("tanh", 12000.0): {1: 0.30, 2: 0.2002, 5: 0.20, 13: 0.40},
    ("sigmoid", None): {1: 0.20, 2: 0.2002, 5: 0.9, 13: 2.3},
    ("sigmoid", 12000.0): {1: 0.20, 2: 0.2001, 5: 0.9, 13: 2.3},
}
DEEPER_IS_BETTER = {
    ("tanh", None): {1: 0.9, 2: 0.7, 5: 0.5, 13: 0.2},
    ("tanh", 12000.0): {1: 0.3, 2: 0.2, 5: 0.4, 13: 0.2001},
    ("sigmoid", None): {1: 0.9, 2: 0.7, 5: 0.5, 13: 0.2},
    ("sigmoid", 12000.0): {1: 0.3, 2: 0.2, 5: 0.4, 13: 0.2001},
}


SHALLOW = {key: {d: x for d, x in by.items() if d < 9} for key, by in FEW_ARE_ENOUGH.items()}
WORLDS = {"few": FEW_ARE_ENOUGH, "deep": DEEPER_IS_BETTER, "shallow": SHALLOW}
#: what seeds add, a different order for each depth; its mean over five seeds is 0
SCATTER = 0.002 * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


@functools.cache
def _best_depth(world: str, seeds: int = 5, top: float = 0.1) -> Findings:
    """Three rates: one too small, ``top`` the best, one that does well on the test part alone."""
    rows = []
    for (activation, parameters), by_depth in WORLDS[world].items():
        for depth, loss in by_depth.items():
            for seed in range(seeds):
                noise = SCATTER[(seed + depth) % 5]
                parts = {0.01: (loss + 0.2, loss + 0.2), top: (loss, loss), 1.0: (loss + 0.1, 0.0)}
                for rate, (val, test) in parts.items():
                    rows.append({
                        "activation": activation, "initializer": "glorot", "model.depth": depth,
                        "model.parameters": parameters, "optimizer.lr": rate, "seed": seed,
                        "train/loss": loss / 2, "val/loss": val + noise, "test/loss": test + noise,
                        "test/accuracy": 1 - test / 2,
                    })  # fmt: skip
    table = _table(rows)
    with UNDRAWN["best_depth"]:
        return BestDepth().findings(table, DataFrame(columns=["cell", "step", "layer"]), Path())


def test_the_best_depth_is_named_with_all_that_are_as_good() -> None:
    """Ties within the noise of the seeds are ties; every part of the claim holds, at both prices."""
    found = _best_depth("few")
    width, few, parameters, narrow, deepest, travel = found.verdicts[:6]
    claimed = (few, narrow, deepest, travel)
    assert [v.outcome for v in claimed] == ["confirmed"] * 4
    assert "tanh · glorot 2 (not told apart: 5 and 13)" in width.sentence
    assert "sigmoid · glorot 1 (not told apart: 2)" in width.sentence
    assert "tanh · glorot 5 (not told apart: 2)" in parameters.sentence
    assert "2.1 [2.09, 2.11] (glorot · equal width)" in travel.sentence


def test_rates_are_chosen_on_validation_data() -> None:
    """A rate with a test loss of 0 and a worse validation loss is not taken; the table shows the rate."""
    answer = _best_depth("few").tables[0].frame
    assert set(answer["rate"]) == {"0.1"}
    assert answer["test loss"].between(0.19, 0.21).all()


def test_a_best_rate_at_the_edge_of_the_grid_is_said() -> None:
    """With 10 as the best and the highest rate there may be a better one, and the report says so."""
    assert "edge" not in _best_depth("few").verdicts[-1].sentence
    assert "highest rate 10" in _best_depth("few", top=10.0).verdicts[-1].sentence


def test_depth_that_pays_refutes_the_claim() -> None:
    """Only the deepest is best; at equal parameters it ties; sigmoid goes as deep as tanh."""
    found = _best_depth("deep")
    judged = [v.outcome for v in found.verdicts[:6] if v.outcome != "measured"]
    assert judged == ["refuted", "confirmed", "refuted", "refuted"]
    assert "tanh · glorot 13 (alone)" in found.verdicts[0].sentence


def test_one_seed_or_few_depths_leave_it_open() -> None:
    """Without two seeds no depths can be compared; without a depth beyond 5 nothing is claimed."""
    assert _best_depth("few", seeds=1).verdicts[1].outcome == "undecided"
    assert _best_depth("shallow").verdicts[1].outcome == "undecided"


# -- remedies --------------------------------------------------------------------------------------

#: activation, initializer, skip, normalize -> accuracy and factor a layer of the gradient
AS_CLAIMED = {
    ("sigmoid", "glorot", False, False): (0.1, 0.2),
    ("sigmoid", "critical", False, False): (0.1, 1.0),
    ("sigmoid", "glorot", True, False): (0.8, 0.99),
    ("sigmoid", "glorot", False, True): (0.1, 0.3),
    ("tanh", "glorot", False, False): (0.7, 0.95),
    ("tanh", "critical", False, False): (0.9, 1.0),
    ("elu", "critical", False, False): (0.85, 1.0),
}


def _remedies(
    folder: Path, kinds: dict, seeds: int = 3, step: Mapping[str, float] | None = None
) -> Findings:
    """Two rates, at the first of which nothing learns; a seed adds ``step`` for its activation."""
    count = 0
    for (activation, initializer, skip, normalize), (accuracy, gain) in kinds.items():
        for rate, share in ((0.001, 0.1), (0.1, accuracy)):
            for seed in range(seeds):
                axes = SHARED | {
                    "activation": activation, "initializer": initializer, "model.depth": 20,
                    "model.skip": skip, "model.normalize": normalize, "optimizer.lr": rate,
                    "seed": seed,
                }  # fmt: skip
                del axes["status"]
                more = (step or {}).get(activation, 0.001) if rate == 0.1 else 0.001
                value = share + more * seed
                metrics = {"val/loss": 1 - value, "test/loss": 1 - value, "val/accuracy": value,
                           "test/accuracy": value}  # fmt: skip
                write_cell(folder, f"c{count}", axes, gain=gain, metrics=metrics)
                count += 1
    collection = collect(folder)
    with UNDRAWN["remedies"]:
        return Remedies().findings(collection.results, collection.ledger, folder)


def _outcomes(found: Findings) -> dict[str, str]:
    """By the words that a verdict opens with."""
    return {" ".join(v.sentence.split()[:2]): v.outcome for v in found.verdicts}


def test_remedies_that_work_as_claimed(tmp_path: Path) -> None:
    """Before, every single change, the claimed ones, the best, and the gradients that go with it."""
    found = _remedies(tmp_path, AS_CLAIMED)
    before, single, plain, skips, critical, best, gradients, edges = found.verdicts
    judged = (before, plain, skips, critical, gradients)
    assert [v.outcome for v in judged] == ["confirmed"] * 5
    assert "sigmoid · glorot reaches test accuracy 0.101" in before.sentence
    assert (
        "trains with tanh (0.6 [0.6, 0.6]) and identity skips (0.7 [0.7, 0.7])" in single.sentence
    )
    assert "not with critical initialisation (0 [0, 0]) and normalisation" in single.sentence
    assert "Of 6 plain sigmoid networks, whatever the initialiser, 0 learn" in plain.sentence
    assert "Of 3 sigmoid · glorot networks with identity skips 3 learn" in skips.sentence
    assert "is tanh · critical, 0.901" in best.sentence
    assert "5 variants learn" not in gradients.sentence
    assert "4 variants learn" in gradients.sentence
    # of two rates one is always at an edge; where nothing learns the first is as good as the second
    assert "for 7 of 7 variants" in edges.sentence
    assert "the lowest for 3, of which 0 learn; the highest for 4, of which 4" in edges.sentence
    assert list(found.tables[1].frame["learns"]).count("yes") == 4


def test_an_interval_across_the_line_is_undecided(tmp_path: Path) -> None:
    """Accuracies of 0.1, 0.3 and 0.5 straddle chance + 0.2: it neither learns nor does not."""
    kinds = {
        ("sigmoid", "glorot", False, False): (0.1, 0.2),
        ("elu", "glorot", False, False): (0.1, 0.9),
        ("tanh", "glorot", False, False): (0.9, 0.9),
    }
    found = _remedies(tmp_path, kinds, step={"elu": 0.2})
    single, gradients = found.verdicts[1], found.verdicts[-2]
    assert "it trains with tanh (" in single.sentence
    assert "; undecided with elu (" in single.sentence
    assert "does not" not in single.sentence
    assert gradients.sentence.startswith("1 variant learns;")
    assert gradients.sentence.endswith("; 1 more is undecided.")
    answers = found.tables[1].frame.set_index("variant")["learns"]
    assert answers["elu · glorot"] == "undecided"


def test_rates_do_not_add_seeds_to_the_gradient(tmp_path: Path) -> None:
    """Two rates of three seeds begin at three draws: the gradient's interval stands on three."""
    found = _remedies(tmp_path, AS_CLAIMED)
    assert found.verdicts[0].outcome == "confirmed"
    collection = collect(tmp_path)
    assert {v.gradient.seeds for v in variants_of(collection.results, collection.ledger)} == {3}


def test_one_network_under_two_names_is_counted_once(tmp_path: Path) -> None:
    """ReLU's critical start is He's: the same numbers seed by seed, so one variant of the count."""
    twins = AS_CLAIMED | {
        ("relu", "he", False, False): (0.5, 0.97),
        ("relu", "critical", False, False): (0.5, 0.97),
    }
    found = _remedies(tmp_path, twins)
    assert "5 variants learn" in found.verdicts[-2].sentence
    assert "of 8 variants" in found.verdicts[-1].sentence
    assert len(found.tables[1].frame) == 9
    assert "counted once: relu · he." in found.tables[1].caption


def test_remedies_that_do_not_work_refute(tmp_path: Path) -> None:
    """A plain sigmoid that learns, skips that do not help, a learner with a vanished gradient."""
    other = AS_CLAIMED | {
        ("sigmoid", "critical", False, False): (0.8, 0.2),
        ("sigmoid", "glorot", True, False): (0.1, 0.99),
        ("elu", "critical", False, False): (0.15, 1.0),
    }
    verdicts = _remedies(tmp_path, other).verdicts
    outcomes = [v.outcome for v in verdicts if v.outcome != "measured"]
    assert outcomes == ["confirmed", "refuted", "refuted", "refuted", "refuted"]


def test_one_seed_of_a_remedy_is_undecided(tmp_path: Path) -> None:
    """A single seed has no interval."""
    verdicts = _remedies(tmp_path, AS_CLAIMED, seeds=1).verdicts
    assert verdicts[0].outcome == "undecided"
    assert "refuted" not in [v.outcome for v in verdicts]


def test_one_network_that_trains_shows_no_rule_about_gradients(tmp_path: Path) -> None:
    """One learning variant, or few seeds of several, leave open what all that train have in common."""
    alone = {("sigmoid", "glorot", False, False): (0.8, 0.9)}
    gradients = _remedies(tmp_path / "alone", alone).verdicts[-2]
    assert gradients.sentence.startswith("1 variant learns;")
    assert gradients.outcome == "undecided"
    for seeds in (1, 2):
        found = _remedies(tmp_path / str(seeds), AS_CLAIMED, seeds)
        assert "yes" not in set(found.tables[1].frame["learns"])
        assert not any("variants learn;" in v.sentence for v in found.verdicts)


# -- trainable depth -------------------------------------------------------------------------------

DEPTHS = (5, 10, 20, 25, 40, 50, 80)


def _trainable(ends: Mapping[float, float], depths: tuple[int, ...] = DEPTHS) -> Findings:
    """tanh: by ratio of sigma_w^2 to the critical one, the depth up to which a network trains."""
    rows = [
        {"activation": "tanh", "initializer": "critical", "initializer.ratio": ratio,
         "model.depth": depth, "seed": seed, "train/accuracy": float(depth <= end + seed)}
        for ratio, end in ends.items() for depth in depths for seed in range(3)
    ]  # fmt: skip
    return TrainableDepth().findings(_table(rows), DataFrame(), Path())


#: 6 xi_c at each ratio, as measured
SIX_XI = {0.568: 20, 1.0: 80, 2.27: 40}


def test_training_that_ends_at_six_xi_is_confirmed() -> None:
    """xi_c is 3.63 and 6.98 at these ratios (sigma_w^2 = 1 and 4), so 6 xi_c is 22 and 42."""
    with UNDRAWN["trainable_depth"]:
        units, largest, protocol = _trainable(SIX_XI).verdicts
    assert (units.outcome, largest.outcome) == ("confirmed", "confirmed")
    assert "2 of 2 brackets inside [4, 9], 0 outside" in units.sentence
    assert "optimiser sgd" in protocol.sentence


@pytest.mark.slow
def test_the_prediction_is_drawn_over_the_measurement() -> None:
    """The line of 6 xi_c, named."""
    assert any("6 ξ_c, predicted" in figure.svg for figure in _trainable(SIX_XI).figures)


def test_training_that_ends_elsewhere_is_refuted() -> None:
    """At 2 xi_c instead of 6, and not deepest at criticality."""
    with UNDRAWN["trainable_depth"]:
        units, largest, _ = _trainable({0.568: 5, 1.0: 10, 2.27: 20}).verdicts
    assert (units.outcome, largest.outcome) == ("refuted", "refuted")


def test_depths_too_far_apart_decide_nothing() -> None:
    """Between 20 and 40 lie 5.5 and 11 xi_c: a line through both is inside, what is known is not."""
    with UNDRAWN["trainable_depth"]:
        found = _trainable({0.568: 20, 1.0: 80}, (10, 20, 40, 80))
    assert found.verdicts[0].outcome == "undecided"
    assert "[5.51, 11]" in found.verdicts[0].sentence
    row = found.tables[0].frame.set_index("phase").loc["ordered"]
    assert (row["bracket"], row["in units of ξ_c"]) == ("[20, 40]", "8.27")


def test_an_end_beyond_the_depths_is_open_on_that_side() -> None:
    """Who trains at depth 40 = 11 xi_c refutes the claim, wherever it ends; at 20 it leaves it open."""
    with UNDRAWN["trainable_depth"]:
        beyond = _trainable({0.568: 40, 1.0: 40}, (10, 20, 40)).verdicts[0]
        open_above = _trainable({0.568: 25, 1.0: 25}, (10, 20, 25)).verdicts[0]
    assert (beyond.outcome, open_above.outcome) == ("refuted", "undecided")


def test_the_rule_is_drawn_as_it_bends() -> None:
    """6 xi_c between sigma_w^2 = 1 and 4: 21.8 and 41.9 at the ends, beyond 100 between."""
    rows = _table([
        {"activation": "tanh", "initializer": "critical", "initializer.ratio": ratio,
         "model.depth": depth, "seed": 0, "train/accuracy": 1.0}
        for ratio in (0.568, 2.27) for depth in (10, 50)
    ])  # fmt: skip
    at, rule = rule_of(reaches_of(rows))
    assert at[[0, -1]] == pytest.approx([1.0, 4.0], abs=0.01)
    assert rule[[0, -1]] == pytest.approx([21.8, 41.9], rel=0.01)
    assert rule.max() > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_digits_train_to_the_published_depths(tmp_path: Path) -> None:
    """On a reduced grid: 50 % within [4, 9] xi_c off criticality, deepest at criticality."""
    folder = tmp_path / "trainable_depth"
    answer = train(
        "study=trainable_depth", f"runs_dir={tmp_path}", "model.depth=20,30,45,70", "seed=0",
        "initializer.ratio=0.568,1,2.27", "logger=none", "hydra.launcher.workers=1",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    collection = collect(folder)
    found = TrainableDepth().findings(collection.results, collection.ledger, folder)
    table = found.tables[0].frame.set_index("phase")
    for phase in ("ordered", "chaotic"):
        assert 4 < float(table.loc[phase, "in units of ξ_c"]) < 9
        assert table.loc[phase, "depth at 50 %"] < table.loc["critical", "depth at 50 %"]
    assert table.loc["critical", "depth at 50 %"] == 70  # beyond the range
