"""Contests between heads: each at its best learning rate, seed by seed, and what they answer."""

from experiments.studies.contest.along import Along
from experiments.studies.contest.answers import answers_of, best_temperature, tempered
from experiments.studies.contest.chance import ece_by_chance, ece_lead_by_chance
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.duels import seed_means, values_of
from experiments.studies.contest.edges import edges
from experiments.studies.contest.heads import HEAD, with_heads
from experiments.studies.contest.speed import at_start, median_steps, steps_to, written_steps
from experiments.studies.contest.ties import ahead, tie_along
from experiments.studies.contest.tuning import Arm

__all__ = [
    "HEAD",
    "Along",
    "Arm",
    "Contest",
    "ahead",
    "answers_of",
    "at_start",
    "best_temperature",
    "ece_by_chance",
    "ece_lead_by_chance",
    "edges",
    "median_steps",
    "seed_means",
    "steps_to",
    "tempered",
    "tie_along",
    "values_of",
    "with_heads",
    "written_steps",
]
