"""The parts of the report on input gradients that come from the notes and need no cell.

The trace tables of note 003's two programs and of the tutorial's 2-2-3-1 network, the scalar chain
term by term, and the cost of every way against width and depth.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.activations import Sigmoid
from experiments.backprop import (
    ScalarNetwork,
    TraceTable,
    active_window,
    multiply_adds,
    scalar_chain,
    trace_table,
    tutorial_network,
    widest_window,
)
from experiments.backprop.elementary import Real, Traced, exp, sqrt
from experiments.core.study import Figure, Table
from experiments.reporting.figures import Axis, Curve, Panel
from experiments.studies.reading.curves import without_seeds

#: the input of the tutorial's network
POINT = (0.1, 0.5)
WAYS = ("reverse", "row", "forward_mode", "finite_differences")
#: layers and weights of the scalar chains that are drawn; 6.89415 has the widest window
LENGTH, WEIGHTS = 30, (1.0, 4.0, 6.89415, 100.0)


def notes_tables() -> tuple[Table, ...]:
    """Trace tables and the chain with w = 100, whose factors are 25."""

    def first(x: Traced) -> Traced | Real:
        return exp(x**2)

    def second(x: Traced) -> Traced | Real:
        a = x**2
        return sqrt(a + exp(a))

    rows = "Every line is one operation: its value, its tangent for dx = 1, and its adjoint df/dv."
    network = ScalarNetwork(tutorial_network())
    return (
        _trace("f = exp(x²) at x = 1", rows, trace_table(first, [1.0])),
        _trace("f = sqrt(x² + exp(x²)) at x = 1", rows, trace_table(second, [1.0])),
        _trace(
            "The tutorial's 2-2-3-1 network at x = (0.1, 0.5)",
            "Tangents are for a change of the first input; the adjoints of the first two lines are the "
            "input gradient.",
            trace_table(network, list(POINT)),
        ),
        _chain(100.0, layers=6),
    )


def notes_figures() -> tuple[Figure, ...]:
    """The scalar chain's product, and the window in which a sigmoid neuron keeps its gradient."""
    chains = []
    for w in WEIGHTS:
        terms = scalar_chain(0.5, [w] * LENGTH, [-w / 2] * LENGTH, Sigmoid())
        layers = np.array([term.layer for term in terms], np.float64)
        label = f"w = {w:g}: factor {terms[-1].factor:.3g} a layer"
        chains.append(Curve(label, layers, _single([term.log10_product for term in terms])))
    chain = without_seeds(
        [Panel("", tuple(chains))], Axis("layer l"), Axis("first l factors of df/dw₁", decades=True),
        "The scalar chain",
        "One sigmoid neuron a layer, b = -w/2, so that z = 0 everywhere: the most it can do.",
    )  # fmt: skip
    sizes = np.linspace(3.0, 40.0, 200)
    best, width = widest_window()
    width_curve = Curve("width", sizes, _single([active_window(float(w)) for w in sizes]))
    window = without_seeds(
        [Panel("", (width_curve,))], Axis("|w|"), Axis("width of the window in a"),
        "Where a sigmoid neuron does not shrink the gradient",
        f"Inputs with |w σ'(w a + b)| ≥ 1: none up to |w| = 4; widest, {width:.4f}, at |w| = {best:.3f}.",
    )  # fmt: skip
    return chain, window


def cost_figures() -> tuple[Figure, ...]:
    """Multiply-adds of each way against width (3 hidden layers) and depth (width 32)."""
    widths, depths = [2**k for k in range(2, 11)], [1, 2, 4, 8, 16, 32, 64]
    by_width = _counts(widths, lambda n: (n, n, n, n, 1))
    by_depth = _counts(depths, lambda depth: (32, *[32] * depth, 1))
    count = Axis("multiply-adds for one example", decades=True)
    return (
        without_seeds(
            [Panel("", by_width)], Axis("width n, input included", logarithmic=True), count,
            "What each way costs, by width", "Networks n-n-n-n-1; the forward pass is included.",
        ),
        without_seeds(
            [Panel("", by_depth)], Axis("hidden layers", logarithmic=True), count,
            "What each way costs, by depth", "Networks of width 32 with 32 inputs and one output.",
        ),
    )  # fmt: skip


def _counts(values: Sequence[int], widths: Callable[[int], tuple[int, ...]]) -> tuple[Curve, ...]:
    counts = [multiply_adds(widths(value)) for value in values]
    x = np.array(values, np.float64)
    return tuple(
        Curve(way.replace("_", " "), x, _single([np.log10(getattr(c, way)) for c in counts]))
        for way in WAYS
    )


def _single(values: Sequence[float]) -> list[Float64[ndarray, "_"]]:
    """A curve without seeds."""
    return [np.array([value], np.float64) for value in values]


def _trace(title: str, caption: str, table: TraceTable) -> Table:
    rows = [
        {"v_i": row.name, "computed as": row.written, "value": row.value, "tangent": row.tangent,
         "adjoint": row.adjoint}
        for row in table.rows
    ]  # fmt: skip
    return Table(
        f"Trace of {title}" if title.startswith("f =") else title, caption, DataFrame(rows)
    )


def _chain(w: float, layers: int) -> Table:
    terms = scalar_chain(0.5, [w] * layers, [-w / 2] * layers, Sigmoid())
    caption = (
        f"x = 1/2, w = {w:g} and b = {-w / 2:g} in every layer: z = 0, σ' = 1/4, and every factor w σ' "
        f"is {terms[-1].factor:g}."
    )
    names = {
        "derivative": "σ'(z)", "log10_product": "log10 product", "gradient_w": "df/dw",
        "log10_gradient_w": "log10 |df/dw|",
    }  # fmt: skip
    frame = DataFrame([asdict(term) for term in terms]).rename(columns=names)
    return Table("The scalar chain, term by term", caption, frame)
