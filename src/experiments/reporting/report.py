"""One HTML file that answers a study's question, opens offline, and says how to make it again."""

import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.core.atomic import replacing
from experiments.core.cell import SweepFolder
from experiments.core.study import Findings, Study
from experiments.reporting.account import account, cell_table
from experiments.reporting.collect import read_collection
from experiments.reporting.provenance import read_provenance
from experiments.reporting.tables import table_html

_PAGES = Environment(
    loader=PackageLoader("experiments.reporting", ""),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def write_report(folder: Path, study: Study, findings: Findings | None = None) -> Path:
    """Write RUNS_DIR/NAME/report.html from the tables of the sweep.

    Args:
        folder: RUNS_DIR/NAME; its tables are collected first if there are none.
        study: whose question the page answers.
        findings: of the study; None computes them now.

    Returns:
        The page's path. The same cells give the same bytes.

    Raises:
        ConfigurationError: if the folder holds no readable cell.
    """
    collection = read_collection(folder)
    if findings is None:
        findings = study.findings(collection.results, collection.ledger, folder)
    provenance = read_provenance(folder)
    page = _PAGES.get_template("report.html.j2").render(
        provenance=provenance,
        config=json.dumps(provenance.config, indent=2, ensure_ascii=False),
        study=study,
        findings=findings,
        account=account(collection),
        cells=cell_table(collection.results),
        table_html=table_html,
        folder=_shown(folder),
    )
    path = SweepFolder(folder).report
    with replacing(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path


def _shown(folder: Path) -> str:
    """The folder as its user would type it: relative if it is below the working directory."""
    here = Path.cwd()
    full = folder.resolve()
    return (full.relative_to(here) if full.is_relative_to(here) else full).as_posix()
