"""Higham & Higham's ten points by nonlinear least squares: second-order information for 23 parameters.

A trust region (scipy.optimize.least_squares) solves for residuals r with ||r||^2 = sum_d ||y_d - a_d||^2,
the plotted cost, from the initial parameters of every cell. Two choices of r give the same cost:

    norms        r_d = ||y_d - a_d||_2             10 residuals, as in the paper; no derivative at 0
    components   r_dj = a_dj - y_dj                20 residuals, smooth everywhere

The Jacobian dr/dtheta is written by hand (``backprop.parameter_jacobian``), not differenced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame
from scipy.optimize import least_squares
from torch import Tensor

from experiments.activations import Sigmoid
from experiments.backprop import forward_pass, parameter_jacobian
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.initializers import Constant
from experiments.models import MLP
from experiments.reporting.figures import Axis, Curve, Panel
from experiments.reporting.intervals import share_interval
from experiments.reporting.summary import bounds
from experiments.studies.reading.curves import without_seeds
from experiments.studies.reading.medians import median_interval
from experiments.studies.reading.network import network_of
from experiments.studies.reading.rooms import dataset_of
from experiments.studies.reading.verdicts import NOTHING, decided, over, unanswered

#: a start has succeeded when its plotted cost is below this
SOLVED = 1e-4
#: share of the starts that is expected to
SHARE = 0.85
#: of the solver: relative change of the cost, of the parameters, and the gradient's norm
TOLERANCE = 1e-6

Residuals = tuple[Float64[ndarray, " residuals"], Float64[ndarray, "residuals parameters"]]


@final
class HighamLeastSquares(Study):
    """Residual x seed."""

    question: ClassVar[str] = (
        "Does nonlinear least squares solve Higham & Higham's example, and from how many starts?"
    )
    claim: ClassVar[str] = (
        f"From at least {SHARE:.0%} of the starts the plotted cost falls below {SOLVED:g}, with either "
        "form of the residual; the smooth one needs fewer evaluations."
    )
    refuted_by: ClassVar[str] = (
        f"A share of solved starts whose interval lies below {SHARE:.0%}, or at least as many "
        "evaluations with the smooth residual."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        rows = rows[rows["data"] == "higham"]
        solved = {name: solutions_of(rows, folder, form) for name, form in FORMS.items()}
        if not all(solved.values()):
            return unanswered("No cell of Higham's points left a checkpoint to start from.")
        verdicts = [_share(name, solutions) for name, solutions in solved.items()] + [
            _effort(solved)
        ]
        return Findings(tuple(verdicts), (_table(solved),), (_figure(solved),))


@dataclass(frozen=True)
class Solution:
    """Where the solver ended from one start.

    Args:
        start: the plotted cost of the start.
        cost: the plotted cost at the end.
        evaluations: of the residuals, by the solver.
        right: whether the end classifies every point correctly.
    """

    start: float
    cost: float
    evaluations: int
    right: bool


def norms(a: Tensor, y: Tensor, slopes: Tensor) -> Residuals:
    """r_d = ||a_d - y_d|| and dr_d/dtheta = (a_d - y_d)^T da_d/dtheta / r_d; 0 where r_d = 0."""
    e = a - y
    r = torch.linalg.vector_norm(e, dim=-1)
    direction = torch.where(r[:, None] > 0, e / r[:, None], 0.0)
    return r.numpy(), torch.einsum("di,dip->dp", direction, slopes).numpy()


def components(a: Tensor, y: Tensor, slopes: Tensor) -> Residuals:
    """r_dj = a_dj - y_dj and its rows of da/dtheta."""
    return (a - y).flatten().numpy(), slopes.flatten(0, 1).numpy()


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Residuals]] = {
    "10 norms": norms,
    "20 components": components,
}


def solutions_of(
    rows: DataFrame, folder: Path, form: Callable[[Tensor, Tensor, Tensor], Residuals]
) -> list[Solution]:
    """The solver's end from every cell that left a network with a sigmoid link."""
    solved = []
    for row in rows.to_dict("records"):
        if row.get("loss.link") != "sigmoid":
            continue
        start = network_of(row, folder, torch.float64)
        if start is not None and start.plain:
            train = dataset_of(row).load().train
            y = torch.nn.functional.one_hot(train.t, start.widths[-1]).double()
            solved.append(solve(start, train.x.double(), y, form))
    return solved


def solve(
    start: MLP, x: Tensor, y: Tensor, form: Callable[[Tensor, Tensor, Tensor], Residuals]
) -> Solution:
    """Least squares from a network's parameters; its raw output goes through the sigmoid.

    Args:
        start: one network in float64; it is left as it is.
        x: (batch, n_1).
        y: (batch, n_L), one-hot.
        form: residuals and their Jacobian from a, y and da/dtheta.
    """
    hidden = list(start.activations)[:-1]
    net = MLP(start.widths, hidden, Constant(), output_activation=Sigmoid()).double()
    parameters = _in_order(net)
    theta = torch.nn.utils.parameters_to_vector(_in_order(start))

    def outputs(values: Float64[ndarray, " parameters"]) -> Tensor:
        torch.nn.utils.vector_to_parameters(torch.from_numpy(values), parameters)
        return forward_pass(net, x).a[-1]

    def residuals(values: Float64[ndarray, " parameters"]) -> Float64[ndarray, " residuals"]:
        a = outputs(values)
        return form(a, y, a.new_empty(*a.shape, 0))[0]  # no parameters, no work for a Jacobian

    def jacobian(
        values: Float64[ndarray, " parameters"],
    ) -> Float64[ndarray, "residuals parameters"]:
        return form(outputs(values), y, parameter_jacobian(net, x))[1]

    first = theta.detach().numpy().copy()
    solver: Any = least_squares(
        residuals, first, jac=jacobian, xtol=TOLERANCE, ftol=TOLERANCE, gtol=TOLERANCE
    )
    right = outputs(solver.x).argmax(-1) == y.argmax(-1)
    return Solution(
        start=float((residuals(first) ** 2).sum()),
        cost=float((residuals(solver.x) ** 2).sum()),
        evaluations=int(solver.nfev),
        right=bool(right.all()),
    )


def _in_order(net: MLP) -> list[Tensor]:
    """The parameters in the order of the Jacobian's columns: W^[2], b^[2], W^[3], ..."""
    return [p for pair in zip(net.weights, net.biases, strict=True) for p in pair]


def _share(name: str, solutions: Sequence[Solution]) -> Verdict:
    solved = sum(one.cost < SOLVED for one in solutions)
    share = share_interval(solved, len(solutions))
    median = median_interval(_costs(solutions))
    sentence = (
        f"With {name} as residuals {solved} of {len(solutions)} starts end below {SOLVED:g} ({share}); the "
        f"median plotted cost is {median}."
    )
    return Verdict(sentence, decided(share.within(SHARE, 1.0)))


def _effort(solved: dict[str, list[Solution]]) -> Verdict:
    """Start by start, how many more evaluations the norms take."""
    rough, smooth = ([one.evaluations for one in solutions] for solutions in solved.values())
    ratio = median_interval(np.array(rough, np.float64) / np.array(smooth, np.float64))
    sentence = (
        f"The norms take {ratio} times the evaluations of the components, median over starts."
    )
    return Verdict(sentence, decided(ratio.within(1.0 + 1e-9, np.inf)))


def _table(solved: dict[str, list[Solution]]) -> Table:
    rows = []
    for name, solutions in solved.items():
        low, median, high = np.quantile(_costs(solutions), (0.25, 0.5, 0.75))
        right = share_interval(sum(one.right for one in solutions), len(solutions))
        rows.append({
            "residuals": name, "starts": len(solutions), "lower quartile": low, "median cost": median,
            "upper quartile": high, "worst": float(_costs(solutions).max()),
            "all points right": right.value, "95 %": bounds(right),
            "median evaluations": float(np.median([one.evaluations for one in solutions])),
        })  # fmt: skip
    caption = (
        "The plotted cost, sum over the points of ‖y − a‖², where a trust region stops (relative "
        f"tolerances {TOLERANCE:g}). The paper's final value is not known to us; the tolerance decides it."
    )
    return Table("Where least squares ends", caption, DataFrame(rows))


def _figure(solved: dict[str, list[Solution]]) -> Figure:
    """The costs of all starts in order, one line a form."""
    curves = []
    for name, solutions in solved.items():
        ordered = np.log10(np.maximum(np.sort(_costs(solutions)), 1e-300))
        share = np.arange(1, len(solutions) + 1) / len(solutions)
        curves.append(Curve(name, share, list(ordered[:, None])))
    panel = Panel("", tuple(curves), ((f"solved: {SOLVED:g}", float(np.log10(SOLVED))),))
    caption = "The plotted cost of every start, in order: which share of them ends below what."
    x, y = Axis("share of the starts"), Axis("final plotted cost", decades=True)
    return without_seeds([panel], x, y, "Where each start ends", caption)


def _costs(solutions: Sequence[Solution]) -> Float64[ndarray, " starts"]:
    return np.array([one.cost for one in solutions], np.float64)
