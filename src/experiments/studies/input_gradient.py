"""How does one compute grad a^[L](x), the gradient of one output with respect to the input?

Four ways, each in float64, from the networks that the cells left behind and their first examples:

    reverse               note 001: Delta^[l-1] = W^[l]^T D^[l] Delta^[l], vectors
    row                   note 000 as written: G <- G (D^[l] W^[l]), with every matrix formed first
    forward mode          J^[l] = D^[l] W^[l] J^[l-1], one column an input
    finite differences    (a^[L](x + h e_i) - a^[L](x - h e_i)) / 2h

The first three round differently and agree to a few eps; a difference quotient divides the rounding
error of a^[L] by h, and has no digits left once the gradient is below that.

References:
    Notes 000, 001 and 003; Baydin et al. (2018), section 3.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.backprop import (
    PartialProduct,
    Way,
    gradient_agreement,
    input_gradient,
    partial_products,
)
from experiments.core.errors import ConfigurationError
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.reporting.figures import Axis, Curve, Panel, against_axis
from experiments.studies.input_gradient_notes import cost_figures, notes_figures, notes_tables
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.network import network_of
from experiments.studies.reading.rooms import dataset_of
from experiments.studies.reading.verdicts import NOTHING, decided, listed, over, unanswered

#: training examples at which the gradient is computed
EXAMPLES = 4
#: relative differences: below the first, ways only round differently; above the second, one is useless
ALIKE, USELESS = 1e-10, 0.01
LAYER = Axis("layer l")


@final
class InputGradient(Study):
    """Activation x depth x seed, one output neuron."""

    question: ClassVar[str] = (
        "How does one compute the gradient of a network with respect to its input?"
    )
    claim: ClassVar[str] = (
        f"Reverse order, row order and forward mode agree to {ALIKE:g} in every network; the reverse "
        "order takes the fewest multiply-adds."
    )
    refuted_by: ClassVar[str] = (
        f"A relative difference above {ALIKE:g}, or a network in which another way takes fewer."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        networks = examine(rows, folder)
        if not networks:
            return unanswered(
                "No cell left a network with one output neuron and its data.",
                notes_tables(),
                notes_figures(),
            )
        verdicts = (_alike(networks), _cheapest(networks), _quotients(networks))
        figures = (_sizes(networks), _stretched(networks), *cost_figures(), *notes_figures())
        return Findings(verdicts, (_table(networks), *notes_tables()), figures)


@dataclass(frozen=True)
class Examined:
    """What was computed of one network.

    Attributes:
        activation: option name.
        depth: number of hidden layers.
        ways: the ways to compute its input gradient, by name.
        log10_norm: of the gradient, mean over the examples.
        layers: l of the partial products.
        log10_ends: of the largest singular value by layer, and of the smallest that stands above the
            rounding of the product, mean over the examples.
    """

    activation: str
    depth: int
    ways: Mapping[str, Way]
    log10_norm: float
    layers: Float64[ndarray, " layers"]
    log10_ends: Float64[ndarray, "2 layers"]


def examine(rows: DataFrame, folder: Path) -> list[Examined]:
    """Every network with one output whose checkpoint and data can be read."""
    networks = []
    for row in rows.to_dict("records"):
        net = network_of(row, folder, torch.float64)
        if net is None or not net.plain or net.widths[-1] != 1:
            continue
        try:
            x = dataset_of(row).load().train.x[:EXAMPLES].double()
        except ConfigurationError:
            continue
        gradient = input_gradient(net, x)
        products = partial_products(net, x)
        products = products[:-1] or products  # one output has one singular value
        networks.append(
            Examined(
                activation=str(row["activation"]),
                depth=len(net.widths) - 2,
                ways={way.name: way for way in gradient_agreement(net, x)},
                log10_norm=float(gradient.norm(dim=-1).log10().mean()),
                layers=np.array([product.layer for product in products], np.float64),
                log10_ends=np.array([_ends(product) for product in products], np.float64).T,
            )
        )
    return networks


def _ends(product: PartialProduct) -> tuple[float, float]:
    """log10 of the largest and of the smallest resolved singular value, mean over examples."""
    values, resolved = product.log10_singular_values, product.resolved
    smallest = values.where(resolved, values.new_tensor(math.inf)).amin(-1)
    return float(values[..., 0].mean()), float(smallest.mean())


def _alike(networks: Sequence[Examined]) -> Verdict:
    worst = max(one.ways[name].difference for one in networks for name in ("row", "forward mode"))
    sentence = (
        f"In {len(networks)} networks reverse order, row order and forward mode differ by {worst:.1e} of "
        "the gradient's norm at most."
    )
    return Verdict(sentence, decided(worst <= ALIKE))


def _cheapest(networks: Sequence[Examined]) -> Verdict:
    deepest = max(networks, key=lambda one: one.depth)
    least = all(
        min(one.ways.values(), key=lambda way: way.multiply_adds).name == "reverse"
        for one in networks
    )
    reverse = deepest.ways["reverse"].multiply_adds
    ratios = [
        f"{way.multiply_adds / reverse:.3g} times as many by {name}"
        for name, way in deepest.ways.items()
        if name != "reverse"
    ]
    sentence = (
        f"At depth {deepest.depth} the reverse order takes {reverse:,} multiply-adds; "
        f"{listed(ratios)}."
    )
    return Verdict(sentence, decided(least))


def _quotients(networks: Sequence[Examined]) -> Verdict:
    lost = [one for one in networks if not one.ways["finite differences"].difference < USELESS]
    if not lost:
        worst = max(one.ways["finite differences"].difference for one in networks)
        return Verdict(f"Central differences are off by {worst:.1e} at most.", "measured")
    where = sorted({(one.activation, one.depth) for one in lost})
    largest = max(one.log10_norm for one in lost)
    sentence = (
        f"Central differences are off by more than {USELESS:.0%} in {len(lost)} of {len(networks)} networks: "
        f"{listed([f'{text(name)} at depth {depth}' for name, depth in where])}; the largest gradient "
        f"among them has norm 1e{largest:.0f}."
    )
    return Verdict(sentence, "measured")


def _table(networks: Sequence[Examined]) -> Table:
    rows = []
    order = sorted(networks, key=lambda one: (one.activation, one.depth))
    for (name, depth), mine in grouped(order, lambda one: (one.activation, one.depth)).items():
        worst = {way: max(one.ways[way].difference for one in mine) for way in mine[0].ways}
        rows.append({
            "activation": text(name), "depth": depth, "networks": len(mine),
            "log10 ‖grad‖": float(np.mean([one.log10_norm for one in mine])),
            "row": worst["row"], "forward mode": worst["forward mode"],
            "finite differences": worst["finite differences"],
            "log10 condition": float(np.mean([np.ptp(one.log10_ends[:, -1]) for one in mine])),
        })  # fmt: skip
    caption = (
        "The three columns in the middle are the largest relative distances to the reverse order over "
        "networks and examples. Condition: largest over smallest resolved singular value of da/dx at the "
        "last hidden layer."
    )
    return Table("Four ways to one gradient", caption, DataFrame(rows))


def _sizes(networks: Sequence[Examined]) -> Figure:
    curves = []
    order = sorted(networks, key=lambda one: (one.activation, one.depth))
    for name, mine in grouped(order, lambda one: one.activation).items():
        by_depth = grouped(mine, lambda one: one.depth)
        samples = [np.array([one.log10_norm for one in same]) for same in by_depth.values()]
        curves.append(Curve(text(name), np.array(list(by_depth), np.float64), samples))
    caption = "Norm of the gradient of the output with respect to the input, mean over examples."
    return against_axis(
        [Panel("", tuple(curves))], Axis("hidden layers"), Axis("‖grad a(x)‖", decades=True),
        "How large the input gradient is", caption,
    )  # fmt: skip


def _stretched(networks: Sequence[Examined]) -> Figure:
    """The ends of the spectrum along the deepest networks, one panel an activation."""
    panels = []
    order = sorted(networks, key=lambda one: one.activation)
    for name, mine in grouped(order, lambda one: one.activation).items():
        most = max(one.depth for one in mine)
        deepest = [one for one in mine if one.depth == most]
        curves = tuple(
            Curve(end, deepest[0].layers, list(np.array([o.log10_ends[k] for o in deepest]).T))
            for k, end in enumerate(("largest", "smallest"))
        )
        panels.append(Panel(f"{text(name)}, depth {most}", curves))
    caption = (
        "Singular values of D^[l] W^[l] ... D^[2] W^[2] in the deepest networks: by how much layer l "
        "stretches a small change of the input at most and at least. Values below the rounding of the "
        "product are left out (a rectifier's inactive units lower the rank)."
    )
    title = "What the layers do to a small change of the input"
    return against_axis(panels, LAYER, Axis("singular value", decades=True), title, caption)
