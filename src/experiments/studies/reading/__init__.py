"""From rows of a table back to networks: their rooms, their theory, their families by depth."""

from experiments.studies.reading.family import DEPTH, MARGIN, PAIR, Family, families
from experiments.studies.reading.prediction import Prediction, predict
from experiments.studies.reading.rooms import (
    activation_of,
    dataset_of,
    initializer_of,
    loss_of,
)

__all__ = [
    "DEPTH",
    "MARGIN",
    "PAIR",
    "Family",
    "Prediction",
    "activation_of",
    "dataset_of",
    "families",
    "initializer_of",
    "loss_of",
    "predict",
]
