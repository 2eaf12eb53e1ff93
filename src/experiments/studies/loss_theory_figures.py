"""What theory says about the losses, beside what their implementations compute.

Lines are the implementations (``Loss.delta`` and ``Loss.hessian``), dashes the formulas of
``theory.loss_geometry`` and ``theory.loss_confident_error``, which share no code with them.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from scipy.special import expit

from experiments.core.loss import Loss
from experiments.core.study import Figure
from experiments.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    HalfSquaredError,
)
from experiments.reporting.figures import Axis, Curve, Panel
from experiments.studies.reading.curves import without_seeds
from experiments.theory import loss_confident_error, loss_geometry, loss_surface

WRONGNESS = np.linspace(-6.0, 10.0, 65)
MARGIN = np.linspace(-10.0, 20.0, 61)
CLASSES = 10
#: grid points a side of the cost over two weights, and the largest weight
GRID, REACH = 65, 16.0
#: a slope of the scaled cost that counts as flat
FLAT = 0.005

Points = Float64[ndarray, " points"]


def theory_figures() -> tuple[Figure, ...]:
    """The pull on one logit, its curvature, the pull on a softmax, and the cost over two weights."""
    return (_pull(), _curvature(), _margin(), _surface())


def _one_logit() -> list[tuple[str, Loss, loss_geometry.Head]]:
    """The losses on one sigmoid: name, implementation, formulas."""
    return [
        ("cross-entropy", BinaryCrossEntropy(), loss_geometry.cross_entropy_on_sigmoid()),
        (
            "half squared error",
            HalfSquaredError("sigmoid"),
            loss_geometry.half_squared_on_sigmoid(),
        ),
        ("absolute error", AbsoluteError("sigmoid"), loss_geometry.absolute_on_sigmoid()),
        ("focal, γ = 2", Focal(2.0, "sigmoid"), loss_geometry.focal_on_sigmoid(2.0)),
    ]


def _curve(name: str, x: Points, computed: torch.Tensor, formula: Points) -> Curve:
    return Curve(name, x, list(computed.numpy().reshape(len(x), 1)), formula)


def _against_wrongness(
    computed: Callable[[Loss, torch.Tensor, torch.Tensor], torch.Tensor],
    formula: Callable[[loss_geometry.Head], loss_geometry.Curve],
    zero: str,
) -> Panel:
    u = torch.from_numpy(WRONGNESS)[:, None]
    curves = [
        _curve(name, WRONGNESS, computed(loss, u, torch.zeros_like(u)), formula(head)(WRONGNESS))
        for name, loss, head in _one_logit()
    ]
    return Panel("", tuple(curves), ((zero, 0.0),))


def _pull() -> Figure:
    panel = _against_wrongness(
        lambda loss, z, t: loss.delta(z, t), lambda head: head.slope, "no pull"
    )
    shape = loss_geometry.geometry(loss_geometry.half_squared_on_sigmoid())
    gone = loss_geometry.gives_up_at(loss_geometry.half_squared_on_sigmoid())
    caption = (
        "δ of one sigmoid output whose target is 0, against its logit: to the right the answer is wrong. "
        f"Cross-entropy pulls the harder the more wrong it is; squared error pulls hardest, "
        f"{shape.greatest_slope:.6f}, at a logit of {shape.inflection:.4f}, and with less than a hundredth "
        f"of that beyond {gone:.2f}. Lines: the losses; dashes: theory."
    )
    x, y = Axis("logit z (target 0)"), Axis("δ = dC/dz")
    return without_seeds([panel], x, y, "How hard each head pulls", caption)


def _curvature() -> Figure:
    panel = _against_wrongness(
        lambda loss, z, t: loss.hessian(z, t), lambda head: head.curvature, "convex above"
    )
    shape = loss_geometry.geometry(loss_geometry.half_squared_on_sigmoid())
    caption = (
        f"d²C/dz² of the same output. Squared error is not convex beyond z = {shape.inflection:.4f} (ln 2), "
        f"and bends down most, {shape.least_curvature:.7f}, at a = {expit(shape.most_concave):.6f}. "
        "Cross-entropy is convex everywhere. Lines: the losses; dashes: theory."
    )
    x, y = Axis("logit z (target 0)"), Axis("curvature d²C/dz²")
    return without_seeds([panel], x, y, "Where squared error is not convex", caption)


def _margin() -> Figure:
    z = torch.zeros(len(MARGIN), CLASSES, dtype=torch.float64)
    z[:, 0] = torch.from_numpy(MARGIN)
    right = torch.ones(len(MARGIN), dtype=torch.long)
    theory = loss_confident_error.confident_error(MARGIN, CLASSES)
    heads: list[tuple[str, Loss, loss_confident_error.Pull]] = [
        ("cross-entropy", CrossEntropy(), theory.cross_entropy),
        ("half squared error", HalfSquaredError("softmax"), theory.half_squared_error),
        ("absolute error", AbsoluteError("softmax"), theory.absolute_error),
    ]
    curves = [
        _curve(name, MARGIN, torch.linalg.vector_norm(loss.delta(z, right), dim=-1), pull.norm)
        for name, loss, pull in heads
    ]
    caption = (
        f"Norm of δ of a softmax over {CLASSES} classes when a wrong class leads by the margin, all others "
        "level. The surer the error, the less squared and absolute error mind. Lines: the losses; dashes: "
        "theory."
    )
    x, y = Axis("margin of the wrong class (logits)"), Axis("‖δ‖")
    return without_seeds([Panel("", tuple(curves))], x, y, "The pull on a confident error", caption)


def _surface() -> Figure:
    axis = np.linspace(-REACH, REACH, GRID)
    surface = loss_surface.loss_surface(loss_surface.random_signals(), axis, axis)
    panels, flat = [], []
    for name, cost, slope in (
        ("cross-entropy", surface.cross_entropy, surface.cross_entropy_slope),
        ("half squared error", surface.half_squared_error, surface.half_squared_error_slope),
    ):
        scaled = (cost - cost.min()) / np.ptp(cost)
        curves = [
            Curve(f"first weight {axis[k]:g}", axis, list(scaled[k][:, None]))
            for k in (0, GRID // 2, GRID - 1)
        ]
        panels.append(Panel(name, tuple(curves)))
        flat.append(loss_surface.flat_share(cost, slope, FLAT))
    caption = (
        "Mean cost of a tanh network with one hidden layer and a softmax on random signals, over one weight "
        f"of each layer, scaled to run from 0 to 1. Its slope is below {FLAT:g} on {flat[0]:.0%} of the "
        f"square of ±{REACH:g} for cross-entropy, on {flat[1]:.0%} for squared error, which has plateaus."
    )
    x, y = Axis("a weight of the second layer"), Axis("cost, scaled")
    return without_seeds(panels, x, y, "The cost over two weights", caption)
