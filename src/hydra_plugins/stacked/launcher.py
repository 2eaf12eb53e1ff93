"""Hydra scans this namespace for launchers; the work is in experiments.app.launcher."""

from experiments.app.launcher import StackedLauncher as _Launcher


class StackedLauncher(_Launcher):
    """``hydra/launcher=stacked``."""
