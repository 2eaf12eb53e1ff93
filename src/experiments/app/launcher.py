"""The stacked launcher: a sweep's jobs become cells, and cells of one shape become one computation."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from experiments.app.callbacks import announce, require_one_folder
from experiments.app.compose import CachingLoader
from experiments.app.imports import uncollected
from experiments.core.errors import ConfigurationError, describe

if TYPE_CHECKING:  # importing it loads torch, which --help does not need
    from experiments.training.cells import Cell

log = logging.getLogger(__name__)


class StackedLauncher(Launcher):
    """Receives a sweep's jobs, trains them in stacks, and returns what each alone would return.

    Args:
        workers: processes that train stacks in parallel on CPUs; None starts one per core if the
            sweep is large enough.
        share: number of this process, from 0.
        shares: number of processes that divide the sweep (GPUs of a host, tasks of a SLURM array);
            each trains the cells that its number is assigned by their identities.
    """

    def __init__(self, workers: int | None = None, share: int = 0, shares: int = 1) -> None:
        if not 0 <= share < shares:
            raise ConfigurationError(
                describe(
                    f"share={share} of shares={shares}",
                    "a share from 0 to shares - 1",
                    "number the processes from 0",
                )
            )
        if workers is not None and workers < 1:
            found, remedy = f"workers={workers}", "set hydra.launcher.workers=1, or null"
            raise ConfigurationError(describe(found, "1 or more, or null for one per core", remedy))
        self.workers = workers
        self.share = share
        self.shares = shares
        self.config: DictConfig | None = None
        self.loader: CachingLoader | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config = config
        # the sweeper validates every job with this loader as well
        self.loader = CachingLoader(hydra_context.config_loader)
        hydra_context.config_loader = cast(ConfigLoader, self.loader)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        with uncollected():
            from experiments.app.cells import cell_or_refusal
            from experiments.app.refusal import one_message
            from experiments.app.run import require_buildable, run_cells

        assert self.config is not None  # noqa: S101  setup came first
        assert self.loader is not None  # noqa: S101
        setup_globals()
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        cells, returns = [], []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            job = self.loader.compose(self.config, list(overrides))
            job.number(number)
            # resolvers may ask for the job's Hydra config; set_config would copy it
            HydraConfig.instance().cfg = job.config  # type: ignore[assignment]  # Hydra does so too
            cell = cell_or_refusal(job.plain(), job.choices)
            cells.append(cell)
            returns.append(CellReturn(cell, job.overrides, str(job.config.hydra.job.name)))
        with one_message():
            require_one_folder([cell.folder for cell in cells])
            require_buildable(cells)
        announce()
        log.info("%d cells", len({cell.id for cell in cells}))
        mine = [cell for cell in cells if int(cell.id, 16) % self.shares == self.share]
        run_cells(mine, self.workers)
        for ended in returns:
            ended.status = JobStatus.COMPLETED
        return returns


class CellReturn(JobReturn):
    """What Hydra gets for a cell. Its config, which is rarely asked for, is made on demand."""

    def __init__(self, cell: "Cell", overrides: Sequence[str], task_name: str) -> None:
        self._cell = cell
        self.overrides = overrides
        self.task_name = task_name
        self.return_value = cell.id

    @property
    def cfg(self) -> DictConfig:  # type: ignore[override]  # a field of the base
        return OmegaConf.create(dict(self._cell.config))
