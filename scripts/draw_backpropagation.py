"""Draw the figures of docs/backpropagation.md.

python scripts/draw_backpropagation.py [FOLDER]         default: docs/figures
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from experiments.activations import Sigmoid
from experiments.backprop import (
    backpropagate,
    scaled_backpropagate,
    survival,
)
from experiments.initializers import Gaussian, Glorot
from experiments.losses import HalfSquaredError
from experiments.models import MLP
from experiments.reporting.standalone import write_figures
from experiments.studies.input_gradient_notes import cost_figures, notes_figures


def draw_deep(axes: Axes) -> None:
    """Norms of delta in a 1,000-layer sigmoid net: as floats, and with a carried exponent."""
    net = MLP((4, *[16] * 1000, 1), Sigmoid(), Glorot(), seed=0)
    x, t = torch.ones(4, 4), torch.zeros(4, 1)
    layers = range(2, 1003)
    scaled = scaled_backpropagate(net, x, t, HalfSquaredError()).log10_delta_norms
    # the lines coincide where they agree, so a broad one, a dashed one and a thin one lie on each other
    axes.plot(layers, [float(v) for v in scaled], label="carried exponent", linewidth=6, alpha=0.3)
    styles = {torch.float64: ("float64", "--", 2.5), torch.float32: ("float32", "-", 1.2)}
    for dtype, (name, dashes, width) in styles.items():
        deltas = backpropagate(net.to(dtype), x.to(dtype), t.to(dtype), HalfSquaredError()).deltas
        logs = [_log10_norm(delta.double()) for delta in deltas]
        end = _first_alive(logs)
        label = f"{name}: 0 below layer {layers[end]}"
        (line,) = axes.plot(layers, logs, dashes, linewidth=width, label=label)
        axes.plot([layers[end]], [logs[end]], "o", color=line.get_color())
    axes.set(xlabel="layer l", ylabel="log10 ||delta^[l]||")
    axes.set_title("Sigmoid, Glorot, 1,000 hidden layers of 16")
    axes.legend()


def draw_survival(axes: Axes) -> None:
    """What the entries of delta were lost to, in a float32 sigmoid net that saturates."""
    net = MLP((4, *[64] * 80, 1), Sigmoid(), Gaussian(4.0, 14.0), seed=0)
    found = survival(net, torch.randn(64, 4), torch.zeros(64, 1), HalfSquaredError()).deltas
    names = ("kept", "rounded_rule", "underflow")
    shares = [[float(getattr(share, name)) for share in found] for name in names]
    axes.stackplot(range(2, 83), shares, labels=("kept", "lost to the rounded rule", "underflow"))
    axes.set(xlabel="layer l", ylabel="share of the entries of delta^[l]", ylim=(0, 1))
    axes.set_title("float32, sigmoid, sigma_w = 4, sigma_b = 14")
    axes.legend(loc="lower right")


def _log10_norm(values: Tensor) -> float:
    """Of floats near the smallest there are, whose squares would be 0."""
    largest = values.abs().max()
    return float(largest.log10() + torch.linalg.matrix_norm(values / largest).log10())


def _first_alive(logs: list[float]) -> int:
    return next(k for k, value in enumerate(logs) if np.isfinite(value))


def main(folder: Path) -> None:
    """Write one SVG file for every figure; those of study=input_gradient are that report's own."""
    folder.mkdir(parents=True, exist_ok=True)
    # the same numbers give the same file
    mpl.rcParams["svg.hashsalt"] = "backpropagation"
    for draw in (draw_deep, draw_survival):
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        torch.default_generator.manual_seed(0)
        draw(axes)
        figure.savefig(folder / f"{draw.__name__[5:]}.svg", metadata={"Date": None})
        plt.close(figure)
    write_figures([*notes_figures(), *cost_figures()], folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the figures of docs/backpropagation.md.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("docs/figures"), help="default: docs/figures"
    )
    main(parser.parse_args().folder)
