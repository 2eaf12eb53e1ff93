"""What studies share: networks rebuilt from rows, their theory, their groups, and the words of verdicts."""

from experiments.studies.reading.curves import learning_curve
from experiments.studies.reading.diagnosis import Symptom, diagnose
from experiments.studies.reading.drawn import drawn, widths_of
from experiments.studies.reading.family import (
    DEPTH,
    MARGIN,
    PAIR,
    VANISHED,
    Family,
    chance_of,
    families,
)
from experiments.studies.reading.grouping import grouped, present, without_first
from experiments.studies.reading.ladder import Ladder, ladders
from experiments.studies.reading.medians import median_interval
from experiments.studies.reading.network import network_of
from experiments.studies.reading.prediction import Prediction, predict
from experiments.studies.reading.reach import ACCURACY as TRAIN_ACCURACY
from experiments.studies.reading.reach import LEVEL, Reach, depth_at_level
from experiments.studies.reading.remedy import Variant, baseline_of, variants
from experiments.studies.reading.rooms import (
    activation_of,
    dataset_of,
    initializer_of,
    loss_of,
)
from experiments.studies.reading.spectra import Spectrum, spectra
from experiments.studies.reading.spread import (
    Spread,
    law_of,
    per_seed,
    spreads,
    variance_interval,
    variance_over_seeds,
    variance_ratio,
)
from experiments.studies.reading.start import start_of
from experiments.studies.reading.tuning import CHOSEN_BY, LR, by_rate, edge_of, tuned
from experiments.studies.reading.verdicts import (
    NOTHING,
    capitalised,
    counted,
    decided,
    listed,
    over,
    unanswered,
)

__all__ = [
    "CHOSEN_BY",
    "DEPTH",
    "LEVEL",
    "LR",
    "MARGIN",
    "NOTHING",
    "PAIR",
    "TRAIN_ACCURACY",
    "VANISHED",
    "Family",
    "Ladder",
    "Prediction",
    "Reach",
    "Spectrum",
    "Spread",
    "Symptom",
    "Variant",
    "activation_of",
    "baseline_of",
    "by_rate",
    "capitalised",
    "chance_of",
    "counted",
    "dataset_of",
    "decided",
    "depth_at_level",
    "diagnose",
    "drawn",
    "edge_of",
    "families",
    "grouped",
    "initializer_of",
    "ladders",
    "law_of",
    "learning_curve",
    "listed",
    "loss_of",
    "median_interval",
    "network_of",
    "over",
    "per_seed",
    "predict",
    "present",
    "spectra",
    "spreads",
    "start_of",
    "tuned",
    "unanswered",
    "variance_interval",
    "variance_over_seeds",
    "variance_ratio",
    "variants",
    "widths_of",
    "without_first",
]
