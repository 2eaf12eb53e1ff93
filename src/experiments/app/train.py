"""The command line: one run, a sweep, or a whole study, then its tables, report and verdict."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.app.callbacks import announce, require_one_folder, started
from experiments.app.conf_dir import conf_dir
from experiments.app.imports import uncollected
from experiments.app.refusal import one_message
from experiments.app.schema import register
from experiments.app.suggestions import suggestions
from experiments.core.errors import ConfigurationError, describe

register()

#: exit statuses of a program that was interrupted or told to end, by the convention of shells
STOPPED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
GOES_ON = "stopped; the same command goes on with the cells that are missing"


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
def task(config: DictConfig) -> str:
    """Train the one cell that ``config`` describes and return its identity."""
    with uncollected():
        from experiments.app.cells import cell_or_refusal
        from experiments.app.compose import plain
        from experiments.app.run import require_buildable, run_cells

    meta = HydraConfig.get()
    cell = cell_or_refusal(plain(config), meta.runtime.choices)
    with one_message():
        require_one_folder([cell.folder])
        if meta.mode == RunMode.RUN:
            require_buildable([cell])
    announce()
    run_cells([cell])
    return cell.id


def main() -> None:
    """Run what the command line asks for; exit with 1 if one of its cells failed, 0 otherwise."""
    with one_message():
        _require_options(sys.argv[1:])
    try:
        task()
        if not started:  # --help, --cfg and their like
            return
        announce()
        with one_message():
            status = finish(started[-1].folder.path, started[-1].at)
    except SystemExit as ending:
        if ending.code == TERMINATED:
            print(GOES_ON, file=sys.stderr)
        if ending.code == 1:  # Hydra has said what it refuses
            for line in suggestions(sys.argv[1:]):
                print(f"\n{line}", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print(GOES_ON, file=sys.stderr)
        status = STOPPED
    sys.exit(status)


def _require_options(arguments: Sequence[str]) -> None:
    """Hydra meets GROUP=null with a traceback of its own."""
    for argument in arguments:
        group, _, option = argument.partition("=")
        if option == "null" and group and (conf_dir() / group).is_dir():
            remedy = f"choose one of conf/{group}, or leave {group} out"
            raise ConfigurationError(describe(argument, "the name of an option file", remedy))


def finish(folder: Path, since: float) -> int:
    """Rebuild the tables, write the report and the dashboards, print the verdict.

    Returns:
        1 if a cell has failed since then (a time.time()), else 0.
    """
    from experiments.app.report import report

    return report(folder, since=since)


if __name__ == "__main__":
    main()
