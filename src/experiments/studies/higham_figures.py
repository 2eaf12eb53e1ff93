"""The two pictures of Higham & Higham: cost against step, and the plane cut into two regions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from matplotlib.axes import Axes
from numpy import ndarray

from experiments.core.study import Figure
from experiments.reporting.figures.canvas import COLOURS, INK, sheet, style, to_svg
from experiments.studies.reading.network import network_of
from experiments.studies.reading.rooms import dataset_of
from experiments.studies.reading.starts import Starts

#: points of a curve that are drawn, evenly in log10 of the step
DRAWN = 60
#: starts whose regions are drawn, by the quantile of their final cost
QUANTILES = (("best start", 0.0), ("median", 0.5), ("90 %", 0.9), ("worst start", 1.0))
#: grid points a side
GRID = 200


def cost_curves(starts: Sequence[Starts], published: Mapping[int, float]) -> Figure | None:
    """Every start, their median, and the published curve's values; both axes by decades."""
    moving = [one for one in starts if (one.steps > 0).sum() > 1]
    if not moving:
        return None
    with style():
        figure = sheet(9.6, 4.2)
        grid = figure.subplots(1, len(moving), sharex=True, sharey=True, squeeze=False)
        for axes, one in zip(grid[0], moving, strict=True):
            chosen = _spread(one.steps)
            steps, cost = one.steps[chosen], one.cost[:, chosen]
            axes.plot(steps, cost.T, color=COLOURS[0], lw=0.6, alpha=0.3)
            middle = np.nanmedian(cost, axis=0)
            axes.plot(steps, middle, color=COLOURS[1], lw=2.2, label="median over starts")
            if one.published:
                marks = {s: c for s, c in published.items() if 0 < s <= one.steps[-1]}
                axes.plot(
                    list(marks), list(marks.values()), "D", color=INK, ms=6, label="published"
                )
            axes.set(title=one.label, xscale="log", yscale="log", xlabel="training step")
            axes.legend(loc="lower left")
        grid[0, 0].set_ylabel("Σ ‖y − a‖² over the points")
        title = "The cost while training"
        svg = to_svg(figure, title)
    caption = (
        "The plotted cost, 20 times the paper's C. Thin lines: every start; thick: their median. "
        "Diamonds: the published curve of one start."
    )
    return Figure(title, caption, svg)


def decision_regions(starts: Sequence[Starts], folder: Path) -> Figure | None:
    """The unit square, shaded where a_1 > a_2, for starts that ended well and badly."""
    with style():
        figure = sheet(9.6, 0.4 + 2.5 * len(starts))
        grid = figure.subplots(len(starts), len(QUANTILES), sharex=True, sharey=True, squeeze=False)
        shown = 0
        for one, line in zip(starts, grid, strict=True):
            order = np.argsort(one.cost[:, -1], kind="stable")
            for axes, (name, quantile) in zip(line, QUANTILES, strict=True):
                k = int(order[round(quantile * (len(order) - 1))])
                axes.set_title(f"{name}: cost {one.cost[k, -1]:.2g}", fontsize=9.5)
                shown += _region(axes, one.rows.iloc[k].to_dict(), folder)
            line[0].set_ylabel(f"{one.label}\nx₂")
        for axes in grid[-1]:
            axes.set_xlabel("x₁")
        title = "Decision regions"
        svg = to_svg(figure, title)
    if not shown:
        return None
    caption = (
        "Shaded: where a₁ > a₂, from the final weights, on a grid of "
        f"{GRID} × {GRID}. Circles belong to class 1 and should be shaded, crosses to class 2."
    )
    return Figure(title, caption, svg)


def _region(axes: Axes, row: Mapping[str, Any], folder: Path) -> bool:
    """One start's regions and the points; False where it left no network."""
    net = network_of(row, folder, torch.float64)
    if net is None:
        return False
    side = torch.linspace(0, 1, GRID, dtype=torch.float64)
    x2, x1 = torch.meshgrid(side, side, indexing="ij")
    with torch.no_grad():
        z = net(torch.stack([x1, x2], dim=-1).flatten(0, 1)).unflatten(0, (GRID, GRID))
    lead = (z[..., 0] - z[..., 1]).numpy()  # the link is monotone
    if lead.max() > 0:
        axes.contourf(
            side.numpy(), side.numpy(), lead, levels=[0.0, np.inf], colors=[COLOURS[0]], alpha=0.3
        )
    train = dataset_of(row).load().train
    for label, mark, colour in ((0, "o", COLOURS[1]), (1, "x", INK)):
        x = train.x[train.t == label].numpy()
        axes.plot(x[:, 0], x[:, 1], mark, color=colour, ms=6, mew=1.8, mfc="none")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    return True


def _spread(steps: Float64[ndarray, " steps"]) -> list[int]:
    """Positions of about DRAWN positive steps, evenly spaced in their logarithm."""
    positive = np.flatnonzero(steps > 0)
    wanted = np.geomspace(steps[positive[0]], steps[-1], DRAWN)
    near = np.searchsorted(steps, wanted * (1 - 1e-9))
    return sorted({int(k) for k in np.clip(near, positive[0], len(steps) - 1)})
