"""One deep network and its variants: what was changed, how it trains, and how its gradient starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, Series

from experiments.core.interval import Interval
from experiments.reporting.configurations import configurations, short, text, varying_axes
from experiments.reporting.intervals import mean_interval, paired_difference, share_interval
from experiments.reporting.profiles import at_step, layers_of
from experiments.studies.reading.family import MARGIN, PAIR, chance_of
from experiments.studies.reading.grouping import without_first
from experiments.studies.reading.tuning import LR, Tuned, tuned

SKIP, NORMALIZE = "model.skip", "model.normalize"
#: the factors that a remedy can change
FACTORS = (*PAIR, SKIP, NORMALIZE)
ACCURACY = "test/accuracy"


@dataclass(frozen=True)
class Variant:
    """Networks that differ only in learning rate and seed.

    Args:
        setting: the value of every factor.
        label: the values of further axes; empty without any.
        runs: its networks at every learning rate.
        profile: log10 (||delta^[l]|| / ||delta^[L]||) at initialisation, one row a seed.
        layers: the notes' l of its columns.
        chance: accuracy of guessing; NaN where it is unknown.
    """

    setting: Mapping[str, Any]
    label: str
    runs: Tuned
    profile: Float64[ndarray, "seeds layers"]
    layers: Float64[ndarray, " layers"]
    chance: float

    @property
    def name(self) -> str:
        """Activation, initializer, what is added, and further axes."""
        return self._named([short(key) for key in (SKIP, NORMALIZE) if self.setting[key]])

    @property
    def plain_name(self) -> str:
        """The name without what is added."""
        return self._named([])

    def _named(self, added: Sequence[str]) -> str:
        parts = [*(text(self.setting[key]) for key in PAIR), *added, self.label]
        return " · ".join(part for part in parts if part)

    @property
    def added(self) -> tuple[bool, bool]:
        """Whether it has identity skips, and whether it has normalisation."""
        return bool(self.setting[SKIP]), bool(self.setting[NORMALIZE])

    @property
    def plain(self) -> bool:
        """Whether it has neither."""
        return not any(self.added)

    @cached_property
    def accuracy(self) -> Float64[ndarray, " seeds"]:
        """Test accuracy at the best rate, by seed; chance where the run diverged."""
        values = self.runs.at_best(ACCURACY)
        finished = (self.runs.rows["status"] == "finished").to_numpy()
        return np.where(finished, values, self.chance)

    @property
    def diverged(self) -> bool:
        """Whether no seed finishes at any rate: the best rate is that which loses the fewest."""
        return bool((self.runs.rows["status"] != "finished").all())

    @cached_property
    def learnt(self) -> Interval:
        """Share of seeds clearly above chance."""
        known = self.accuracy[np.isfinite(self.accuracy)] if self.chance > 0 else np.empty(0)
        return share_interval(int((known > self.chance + MARGIN).sum()), len(known))

    @cached_property
    def gradient(self) -> Interval:
        """log10 of the first layer's gradient norm over the output's, at initialisation."""
        first = self.profile[:, 0] if self.profile.shape[1] else np.empty(0)
        return mean_interval(first)

    def changes(self, baseline: "Variant") -> dict[str, Any]:
        """The factors in which it differs from the baseline, with their values here."""
        return {key: value for key, value in self.setting.items() if value != baseline.setting[key]}

    def gain(self, baseline: "Variant") -> Interval:
        """Test accuracy minus the baseline's, paired by seed."""
        here, before = (Series(v.accuracy, v.runs.rows["seed"]) for v in (self, baseline))
        here, before = here.align(before, join="inner")
        return paired_difference(here.to_numpy(), before.to_numpy())


def variants_of(results: DataFrame, ledger: DataFrame) -> list[Variant]:
    """One for every combination of the factors and further axes, from rows of cells that are over."""
    rows = results.assign(**{key: _flag(results, key) for key in (SKIP, NORMALIZE)})
    others = [key for key in varying_axes(rows) if key not in (*FACTORS, LR)]
    start = at_step(ledger, 0)
    variants = []
    for group in configurations(rows, [*FACTORS, *others]):
        runs = tuned(group.rows)
        # all rates start from the same weights: one of them, or each seed would count several times
        layers, values = layers_of(start, list(runs.rows["cell"]))
        variants.append(
            Variant(
                setting=dict(zip(FACTORS, group.values, strict=False)),
                label=without_first(group.label, len(FACTORS)),
                runs=runs,
                profile=values - values[:, -1:],
                layers=layers.astype(np.float64),
                chance=chance_of(group.rows.iloc[0].to_dict()),
            )
        )
    return variants


def baseline_of(variants: Sequence[Variant], wanted: Mapping[str, Any]) -> Variant | None:
    """The plain variant of these settings; without it, the plain one that does worst; None without any."""
    plain = [v for v in variants if v.plain]
    for variant in plain:
        if all(variant.setting[key] == value for key, value in wanted.items()):
            return variant
    known = [v for v in plain if np.isfinite(v.accuracy).any()]
    if known:
        return min(known, key=lambda v: float(np.nanmean(v.accuracy)))
    return plain[0] if plain else None


def _flag(results: DataFrame, key: str) -> list[bool]:
    """A column of flags, False where the table or a row has none."""
    if key not in results:
        return [False] * len(results)
    return [value is True or value == 1 for value in results[key].tolist()]
