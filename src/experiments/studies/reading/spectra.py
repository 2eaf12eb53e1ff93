"""Singular values of the Jacobian between hidden layers: measured on drawn networks, and predicted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame
from scipy.integrate import cumulative_trapezoid

from experiments.core.errors import ConfigurationError
from experiments.initializers import Orthogonal
from experiments.probes.jacobian import log10_singular_values, spectrum_spread
from experiments.reporting.configurations import configurations, varying_axes
from experiments.studies.reading.family import DEPTH, PAIR
from experiments.studies.reading.network import drawn, plain, widths_of
from experiments.studies.reading.rooms import activation_of, dataset_of, initializer_of
from experiments.theory import (
    BatchMoments,
    finite_width,
    mean_field,
    predicted_profile,
    squared_singular_value_density,
)
from experiments.theory.finite_width import Ensemble

#: number of examples at which every network's Jacobian is computed
EXAMPLES = 2
#: points at which a predicted density is integrated, and how far beyond the measured values, in decades
FINE, MARGIN = 400, 0.2
#: a spread below this is rounding
NONE = 1e-6
#: groups of training settings: networks that differ only in these start with the same weights
TRAINING = ("optimizer", "trainer", "loss")


@dataclass(frozen=True)
class Spectrum:
    """Networks that differ in seed alone.

    Args:
        activation: option name.
        initializer: option name.
        ensemble: Gaussian or orthogonal weights.
        depth: hidden layers; the Jacobian da^[L-1]/da^[2] has ``depth - 1`` factors D W.
        log10: of its singular values, for every seed and example, in descending order.
        q: predicted variance of the pre-activations of every factor; None where theory does not
            apply.
        row: one of their rows.
    """

    activation: str
    initializer: str
    ensemble: Ensemble
    depth: int
    log10: Float64[ndarray, "seeds examples values"]
    q: tuple[float, ...] | None
    row: Mapping[str, Any]

    @property
    def factors(self) -> int:
        return self.depth - 1

    @cached_property
    def spread(self) -> Float64[ndarray, " seeds"]:
        """Variance over squared mean of the squared singular values, mean over examples."""
        return np.asarray(spectrum_spread(torch.from_numpy(self.log10)).mean(-1), np.float64)

    @cached_property
    def spread_predicted(self) -> float:
        """The same at infinite width: the sum over the factors, each with its own q."""
        if self.q is None:
            return math.nan
        activation = activation_of(self.row)
        return sum(finite_width.spectrum_spread(activation, q, 1, self.ensemble) for q in self.q)

    @cached_property
    def largest(self) -> Float64[ndarray, " seeds"]:
        """log10 of the largest over the root-mean-square singular value, mean over examples."""
        relative = self.log10 - self.log10[..., :1]
        mean_square = (10.0 ** (2 * relative)).mean(-1)
        return np.asarray((-np.log10(mean_square) / 2).mean(-1), np.float64)

    def cumulative_predicted(
        self, log10: Float64[ndarray, " points"]
    ) -> Float64[ndarray, " points"] | None:
        """Share of singular values below 10^log10 at infinite width, for ascending log10.

        The density is integrated downwards from the greatest value, above which there is nothing.
        """
        if self.q is None or not np.isfinite(self.log10.max()):
            return None
        activation, width = activation_of(self.row), widths_of(self.row)[1]
        sigma_w = math.sqrt(width * initializer_of(self.row).weight_variance(width, width))
        if self.spread_predicted < 1e-9:  # all values are equal
            slopes = mean_field.slope(activation, list(self.q)).log10()
            place = self.factors * math.log10(sigma_w) + float(slopes.sum()) / 2
            return (log10 >= place - 1e-6).astype(np.float64)
        # fine, and only where there are values: edges are steep
        bottom, top = self.log10.min() - MARGIN, self.log10.max() + MARGIN
        fine = np.linspace(max(bottom, log10[0]), top, FINE)
        ln_x = 2 * math.log(10) * fine
        density = squared_singular_value_density(
            activation, list(self.q), sigma_w, torch.from_numpy(ln_x), self.ensemble
        ).numpy()
        above = cumulative_trapezoid(density[::-1], -ln_x[::-1], initial=0.0)[::-1]
        return np.asarray(1.0 - np.interp(log10, fine, above), np.float64)


def spectra_of(results: DataFrame) -> list[Spectrum]:
    """One for every activation, initializer and depth of 2 or more; networks are drawn once a seed."""
    others = [
        key
        for key in varying_axes(results)
        if key not in (*PAIR, DEPTH) and key.split(".")[0] not in TRAINING
    ]
    spectra = []
    for group in configurations(results, [*PAIR, *others, DEPTH]):
        rows = group.rows.drop_duplicates("seed")
        row = rows.iloc[0].to_dict()
        if int(row[DEPTH]) < 2:
            continue
        net = drawn(rows)
        if net is None:
            continue
        x = dataset_of(row).load().train.x[:EXAMPLES]
        values = log10_singular_values(net, x, first=1, last=net.depth - 1)
        orthogonal = isinstance(initializer_of(row), Orthogonal)
        spectra.append(
            Spectrum(
                activation=str(row["activation"]),
                initializer=str(row["initializer"]),
                ensemble="orthogonal" if orthogonal else "gaussian",
                depth=int(row[DEPTH]),
                log10=values.numpy(),
                q=_lengths(row, float(x.square().mean())),
                row=row,
            )
        )
    return spectra


def _lengths(row: Mapping[str, Any], mean_square: float) -> tuple[float, ...] | None:
    """Predicted variance of z at the second hidden layer and all above it."""
    if not plain(row):
        return None
    widths = widths_of(row)
    try:
        profile = predicted_profile(
            widths, activation_of(row), initializer_of(row), BatchMoments(mean_square, 1.0)
        )
    except ConfigurationError:
        return None
    return tuple(10.0**log10 for log10 in profile.log10_q[1 : len(widths) - 2])
