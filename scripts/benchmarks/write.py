"""Rows to a table, a figure and JSON."""

import itertools
import json
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # after the backend is chosen

from benchmarks.timing import Row

#: points that the contenders' names take
LABELS = 112
#: contenders that are not this laboratory's
PEERS = ("torch", "JAX", "Lightning", "products alone")


def write(
    folder: Path, name: str, rows: list[Row], machine: dict[str, object], drawn: bool = True
) -> str:
    """Write table, numbers and, unless there are few, a figure of one machine; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = "\n".join(
        [
            "| work | contender | microseconds | spread | ratio to the first |",
            "|---|---|---:|---:|---:|",
            *(
                f"| {r.work} | {r.contender} | {r.microseconds:.1f} | {r.spread:.1f} | {r.ratio:.2f} |"
                for r in rows
            ),
        ]
    )
    said = "; ".join(f"{key}: {value}" for key, value in machine.items())
    (folder / f"table_{name}.md").write_text(f"{said}\n\n{table}\n")
    numbers = {"machine": machine, "rows": [r.as_dict() for r in rows]}
    (folder / f"results_{name}.json").write_text(json.dumps(numbers, indent=1))
    if drawn:
        _figure(folder / f"figure_{name}.svg", rows)
    return table


def _figure(path: Path, rows: list[Row]) -> None:
    """One bar per contender: its time over that of the first on the same work, in two columns."""
    groups = [list(group) for _, group in itertools.groupby(rows, lambda r: r.work)]
    lines = [len(group) + 1.6 for group in groups]
    ends = np.cumsum(lines)
    half = int(np.searchsorted(ends, ends[-1] / 2)) + 1
    # real text: it can be searched, and the file is a quarter as large
    matplotlib.rcParams |= {"svg.hashsalt": "benchmark", "svg.fonttype": "none"}
    columns = [groups[:half], groups[half:]]
    figure, both = plt.subplots(1, 2, figsize=(11, 0.18 * ends[half - 1]), layout="constrained")
    for axes, column in zip(both, columns, strict=True):
        _column(axes, column, ends[half - 1])
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _column(axes: Axes, groups: list[list[Row]], height: float) -> None:
    place, ticks, labels = 0.0, [], []
    for group in groups:
        title = axes.annotate(
            group[0].work,
            (0.0, place),
            xytext=(-LABELS, 0),
            textcoords="offset points",
            fontweight="bold",
            fontsize=7.5,
            va="center",
        )
        title.set_in_layout(False)  # it begins above the labels and ends above the bars
        for r in group:
            place -= 1
            peer = any(name in r.contender for name in PEERS)
            axes.barh(place, r.ratio, color="#bbbbbb" if peer else "#4477aa")
            digits = 1 if r.microseconds < 100 else 0
            said = f"{r.ratio:.2f} ({r.microseconds:,.{digits}f} us)"
            axes.text(r.ratio + 0.05, place, said, fontsize=7, va="center")
            ticks.append(place)
            labels.append(r.contender)
        place -= 1.6
    axes.axvline(1.0, color="black", lw=0.6, ls=":", zorder=0)
    axes.set(xlabel="time over the first contender's", xlim=(0, 4.8), ylim=(1 - height, 1))
    axes.set_yticks(ticks, labels, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
