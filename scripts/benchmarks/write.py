"""Rows to a table, a figure and JSON."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # after the backend is chosen

from benchmarks.timing import Row


def write(folder: Path, name: str, rows: list[Row], machine: dict[str, object]) -> str:
    """Write table, figure and numbers of one machine; return the table."""
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
    said = ", ".join(f"{key} {value}" for key, value in machine.items())
    (folder / f"table_{name}.md").write_text(f"{said}\n\n{table}\n")
    numbers = {"machine": machine, "rows": [r.as_dict() for r in rows]}
    (folder / f"results_{name}.json").write_text(json.dumps(numbers, indent=1))
    _figure(folder / f"figure_{name}.svg", rows)
    return table


def _figure(path: Path, rows: list[Row]) -> None:
    """One bar a contender, grouped by work, on a log axis."""
    works = list(dict.fromkeys(r.work for r in rows))
    height = 0.26 * len(rows) + 0.5 * len(works)
    figure, axes = plt.subplots(figsize=(9, height), layout="constrained")
    place, ticks, labels = 0.0, [], []
    for work in works:
        axes.text(1.0, place, work, fontweight="bold", fontsize=8, va="center")
        place -= 1
        for r in (r for r in rows if r.work == work):
            axes.barh(
                place,
                r.microseconds,
                color="#4477aa" if "stack" in r.contender or "ours" in r.contender else "#bbbbbb",
            )
            axes.text(
                r.microseconds * 1.05,
                place,
                f"{r.microseconds:.0f} us ({r.ratio:.2f})",
                fontsize=7,
                va="center",
            )
            ticks.append(place)
            labels.append(r.contender)
            place -= 1
    axes.set(
        xscale="log",
        xlabel="microseconds",
        xlim=(1, max(r.microseconds for r in rows) * 8),
        ylim=(place, 1),
    )
    axes.set_yticks(ticks, labels, fontsize=7)
    matplotlib.rcParams["svg.hashsalt"] = "benchmark"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
