"""The figures of the trainable-depth study: the heat map with 6 xi_c, the end of training, the collapse."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from experiments.core.study import Figure
from experiments.reporting.configurations import text
from experiments.reporting.figures import Axis, Curve, Panel, against_axis, heat_map
from experiments.studies.reading.grouping import grouped, present
from experiments.studies.reading.reach import LEVEL, Reach
from experiments.studies.reading.rooms import activation_of
from experiments.studies.reading.verdicts import counted
from experiments.theory import mean_field
from experiments.theory.critical_start import TRAINABLE

#: points of the line
POINTS = 120


def figures(reaches: Sequence[Reach]) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    maps = [_map(mine, family) for family, mine in grouped(reaches, lambda r: r.family).items()]
    return present(*maps, _ends(reaches), _collapse(reaches))


def _map(mine: Sequence[Reach], name: str) -> Figure:
    """Accuracy over (sigma_w^2, depth), the deepest on top, 6 xi_c drawn over it."""
    depths = sorted({depth for reach in mine for depth in reach.depths})
    values = np.array([
        [float(r.accuracy[d].mean()) if d in r.accuracy else np.nan for r in mine]
        for d in depths[::-1]
    ])  # fmt: skip
    seeds = max(len(reach.ends) for reach in mine)
    caption = f"Training accuracy, mean over {counted(seeds, 'seed')}; diverged runs count as 0."
    overlay = _line(mine, depths)
    if overlay is not None:
        caption += (
            f" Red: a depth of {TRAINABLE:g} ξ_c by mean field; along the upper edge it lies above the "
            "depths that were measured, and it ends where there is no fixed point."
        )
    return heat_map(
        values,
        [str(depth) for depth in depths[::-1]],
        [
            f"{reach.sigma_w**2:.4g}" if np.isfinite(reach.sigma_w) else reach.label
            for reach in mine
        ],
        "training accuracy",
        f"Training accuracy, {name}",
        caption,
        labels=("depth (hidden layers)", "σ_w²"),
        limits=(0.0, 1.0),
        overlay=overlay,
        overlaid=f"{TRAINABLE:g} ξ_c, predicted",
    )


def _line(mine: Sequence[Reach], depths: Sequence[int]) -> Float64[ndarray, "2 points"] | None:
    """6 xi_c in the heat map's positions, if all networks share a bias and differ in sigma_w."""
    starts = [reach.start for reach in mine if reach.start is not None]
    scales = np.array([start.sigma_w for start in starts])
    biases = {round(start.sigma_b, 12) for start in starts}
    if len(starts) < len(mine) or len(biases) > 1 or len(mine) < 2 or len(depths) < 2:
        return None
    if not (np.diff(scales) > 0).all():
        return None
    fine, scale = rule_of(mine)
    column = np.interp(fine, scales**2, np.arange(len(mine)))
    # depths are spaced evenly on the paper, so a depth between two of them is placed by its logarithm
    logs = np.log(np.maximum(depths, 0.5))
    height = np.interp(np.log(np.clip(scale, 1e-9, None)), logs, np.arange(len(depths)))
    height = np.where(scale > depths[-1], len(depths) - 0.5, height)
    height = np.where(scale < depths[0], -0.5, height)
    return np.stack([column, np.where(np.isnan(scale), np.nan, len(depths) - 1 - height)])


def rule_of(
    mine: Sequence[Reach],
) -> tuple[Float64[ndarray, " points"], Float64[ndarray, " points"]]:
    """sigma_w^2 between the least and the greatest measured, and 6 xi_c there; NaN without a fixed point.

    The networks share one bias. xi_c diverges at criticality, so it is asked at many points: a straight
    line between two measured scales would hide that.
    """
    starts = [reach.start for reach in mine if reach.start is not None]
    variances = [start.sigma_w**2 for start in starts]
    fine = np.linspace(min(variances), max(variances), POINTS)
    activation = activation_of(mine[0].rows.iloc[0].to_dict())
    diagram = mean_field.phase_diagram(activation, np.sqrt(fine).tolist(), [starts[0].sigma_b])
    return fine, np.where(diagram.diverges[0].numpy(), np.nan, TRAINABLE * diagram.xi_c[0].numpy())


def _ends(reaches: Sequence[Reach]) -> Figure | None:
    """The end of training against sigma_w^2, with 6 xi_c; in units of the critical one if all have one."""
    known = [reach for reach in reaches if np.isfinite(reach.sigma_w)]
    relative = all(_relative(reach) is not None for reach in known)
    panels = []
    for name, mine in grouped(known, lambda reach: reach.activation).items():
        lines = grouped(mine, lambda reach: reach.other).values()
        panels.append(Panel(text(name), tuple(_end_curve(line, relative) for line in lines)))
    if not panels:
        return None
    caption = (
        f"Depth at which training accuracy falls below {LEVEL:.0%}, by a straight line between two measured "
        f"depths. Dashed: {TRAINABLE:g} ξ_c, where it lies within the measured depths; it is infinite at "
        "criticality. A seed that does not cross within the range is drawn at its edge."
    )
    x_axis = Axis("σ_w² / critical σ_w²" if relative else "σ_w²")
    axis = Axis("depth (hidden layers)")
    return against_axis(panels, x_axis, axis, "Where training ends", caption)


def _end_curve(line: Sequence[Reach], relative: bool) -> Curve:
    """The ends of training of one initializer; with 6 xi_c where all networks share a bias."""
    x = np.array([_relative(r) if relative else r.sigma_w**2 for r in line], np.float64)
    ends = [reach.ends_in_range for reach in line]
    label = text(line[0].other) if line[0].other else "measured"
    if len({round(reach.start.sigma_b, 12) for reach in line if reach.start}) > 1:
        return Curve(label, x, ends)
    fine, rule = rule_of(line)
    unit = line[0].critical_variance if relative else None
    deepest = max(max(reach.depths) for reach in line)
    return Curve(
        label,
        x,
        ends,
        np.where(rule <= deepest, rule, np.nan),
        predicted_at=fine if unit is None else fine / unit,
    )


def _relative(reach: Reach) -> float | None:
    """sigma_w^2 over the critical one, if there is one."""
    unit = reach.critical_variance
    return None if unit is None else reach.sigma_w**2 / unit


def _collapse(reaches: Sequence[Reach]) -> Figure | None:
    """Accuracy against depth over xi_c: the lines of all sigma_w fall together if the claim holds."""
    panels = []
    for name, same in grouped(reaches, lambda reach: reach.activation).items():
        mine = [r for r in same if max(r.depths) >= TRAINABLE * r.xi]
        curves = [
            Curve(
                reach.place if scale is None else f"{scale:.3g} × critical σ_w²",
                np.array(reach.accuracy.columns, np.float64) / reach.xi,
                list(reach.accuracy.to_numpy(np.float64).T),
            )
            for reach in mine
            for scale in [_relative(reach)]
        ]
        if curves:
            levels = ((f"{LEVEL:.0%}", LEVEL),)
            panels.append(Panel(text(name), tuple(curves), levels))
    if not panels:
        return None
    caption = (
        "Training accuracy against depth in units of ξ_c, off criticality. If ξ_c is what limits the "
        "depth, the lines of different σ_w fall at the same place."
    )
    x = Axis("depth / ξ_c", logarithmic=True)
    y = Axis("training accuracy")
    return against_axis(panels, x, y, "Training accuracy against depth in units of ξ_c", caption)
