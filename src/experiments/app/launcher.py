"""The stacked launcher: a sweep's jobs become cells, and cells of one shape one computation."""

import logging
from collections.abc import Sequence
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.app.callbacks import announce
from experiments.app.compose import CachingLoader

log = logging.getLogger(__name__)


class StackedLauncher(Launcher):
    """Receives a sweep's jobs, trains them in stacks, and returns what each alone would return."""

    def __init__(self) -> None:
        self.config: DictConfig | None = None
        self.loader: CachingLoader | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config = config
        # the sweeper validates every job through the same loader, so it is spared too
        self.loader = CachingLoader(hydra_context.config_loader)
        hydra_context.config_loader = cast(ConfigLoader, self.loader)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from experiments.app.build import cell_of
        from experiments.app.run import require_buildable, run_cells

        assert self.config is not None  # noqa: S101  setup came first
        assert self.loader is not None  # noqa: S101
        setup_globals()
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        cells, returns = [], []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            config = self.loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = str(number)
                config.hydra.job.num = number
            job = JobReturn()
            job.overrides = OmegaConf.to_container(config.hydra.overrides.task)  # type: ignore[assignment]
            job.hydra_cfg = OmegaConf.create({"hydra": config.hydra})
            HydraConfig.instance().set_config(config)
            choices = config.hydra.runtime.choices
            task: Any = OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"])
            job.cfg = task
            job.task_name = str(config.hydra.job.name)
            cells.append(cell_of(task, choices))
            returns.append(job)
        require_buildable(cells)
        announce()
        log.info("%d cells", len({cell.id for cell in cells}))
        run_cells(cells)
        for job, cell in zip(returns, cells, strict=True):
            job.return_value = cell.id
            job.status = JobStatus.COMPLETED
        return returns
