"""Hydra looks for launchers under this namespace; the work is in experiments.app.launcher."""

from hydra.core.plugins import Plugins

from experiments.app.launcher import StackedLauncher as _Launcher


class StackedLauncher(_Launcher):
    """``hydra/launcher=stacked``."""


Plugins.instance().register(StackedLauncher)
