"""Collect the cells of a sweep, write the report and the dashboards, and print the verdict."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.app.imports import uncollected
from experiments.app.place import require_place

if TYPE_CHECKING:
    from pandas import DataFrame

    from experiments.core.study import Findings, Study

#: sweeps up to this size get the depth profile in every cell's own event files too
FEW = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer ``report.py RUNS_DIR/NAME``.

    Returns:
        0 if the report was written, 1 if in addition a cell has failed, 2 if no report could be made.
    """
    parser = argparse.ArgumentParser(
        prog="report.py",
        description="Rebuild the tables of a sweep from its cells, write report.html and the "
        "TensorBoard dashboards, and print the verdict.",
        epilog="example: python scripts/report.py runs/vanishing_gradient",
    )
    parser.add_argument("folder", type=Path, help="RUNS_DIR/NAME, the folder that holds cells/")
    parser.add_argument("--figures", type=Path, help="write every figure there too, as SVG files")
    asked = parser.parse_args(arguments)
    folder = asked.folder
    # imported after --help: torch and pandas take seconds
    from experiments.core.errors import ConfigurationError
    from experiments.reporting.records import cell_folders

    try:
        cell_folders(folder)
        require_place(folder, "copy the folder to another place")
        if asked.figures is not None:
            require_place(asked.figures, "set --figures to another place")
        return report(folder, asked.figures)
    except ConfigurationError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def report(folder: Path, figures: Path | None = None, since: float = 0.0) -> int:
    """Rebuild the tables, write the report and the dashboards, print the verdict.

    Args:
        folder: of the sweep.
        figures: a folder in which every figure is also written as an SVG file; None writes none.
        since: cells that failed before this time (as of time.time()) do not affect the status.

    Returns:
        1 if a cell of the table has failed since then, else 0.

    Raises:
        ConfigurationError: if ``folder`` is not that of a sweep, none of its cells is over, or
            study.json names an unknown study.
    """
    with uncollected():
        import torch

        from experiments.app.terminal import reader_may_leave, show
        from experiments.core.cell import SweepFolder
        from experiments.reporting.collect import collect
        from experiments.reporting.dashboards import write_cell_dashboard, write_dashboards
        from experiments.reporting.provenance import read_provenance
        from experiments.reporting.report import write_report
        from experiments.reporting.standalone import write_figures

        provenance = read_provenance(folder)
        study = study_of(
            provenance.study,
            f"correct {folder / 'study.json'}, or delete it to read the folder as a plain sweep",
        )
    collection = collect(folder)
    results, ledger = collection.results, collection.ledger
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the theory's tensors are too small for several threads
    try:
        findings = _with_changes(study.findings(results, ledger, folder), study, provenance.changed)
    finally:
        torch.set_num_threads(threads)
    page = write_report(folder, study, findings)
    write_dashboards(folder)
    if figures is not None:
        write_figures(findings.figures, figures)
    if len(results) <= FEW:
        for name, rows in ledger.groupby("cell", sort=False):
            cell = SweepFolder(folder).cell(str(name))
            if cell.tensorboard.is_dir():  # not with logger=none
                write_cell_dashboard(cell, rows)
    with reader_may_leave():
        show(study, findings, collection)
        print(f"\nreport: {page}")
    return int(has_failed(folder, results, since))


def _with_changes(findings: "Findings", study: "Study", changed: Sequence[str]) -> "Findings":
    """The findings, preceded by a remark if the command gave settings that are not the study's own."""
    from experiments.core.study import Verdict

    if not (study.claim and changed):
        return findings
    remark = (
        f"Asked for with settings of the command's own: {', '.join(changed)}. The claim, and any published "
        "number it is held against, is about the study's."
    )
    return replace(findings, verdicts=(Verdict(remark, "measured"), *findings.verdicts))


def has_failed(folder: Path, results: "DataFrame", since: float) -> bool:
    """Whether a cell of the table has failed since then; older failures belong to earlier commands."""
    from experiments.core.cell import SweepFolder

    failed = results.loc[results["status"] == "failed", "cell"]
    records = (SweepFolder(folder).cell(str(name)).record for name in failed)
    return any(record.stat().st_mtime >= since for record in records)


def study_of(target: str | None, remedy: str) -> "Study":
    """The study of this name.

    Args:
        target: ``experiments.studies.NAME``.
        remedy: for the message, if there is no such study.

    Raises:
        ConfigurationError: if it does not name a class of experiments.studies.
    """
    with uncollected():
        from experiments import studies
    from experiments.core.errors import ConfigurationError, describe

    module, _, name = str(target).rpartition(".")
    if module != studies.__name__ or name not in studies.__all__:
        known = f"{studies.__name__}. and one of {', '.join(studies.__all__)}"
        raise ConfigurationError(describe(f"the study {target!r}", known, remedy))
    study: Study = getattr(studies, name)()
    return study


if __name__ == "__main__":
    sys.exit(main())
