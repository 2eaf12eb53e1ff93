"""The LightningDataModule of a stack: its loader yields chunks of steps; the data stay in memory."""

from collections.abc import Sequence

import pytorch_lightning as pl

from experiments.core.dataset import Dataset, Splits
from experiments.training.examples import distinct
from experiments.training.schedule import Plan


class StackData(pl.LightningDataModule):
    """Gives Lightning the chunks of one training run, in order.

    The module gathers each run's examples on the device in the run's own order, so there are no
    loader workers and no copies per step.

    Args:
        datasets: one for every run; the same object is read once.
        plan: the chunks of steps.
    """

    def __init__(self, datasets: Sequence[Dataset], plan: Plan) -> None:
        super().__init__()
        self.datasets = datasets
        self.plan = plan

    def splits(self) -> list[Splits]:
        """Training, validation and test examples of every run, on the CPU."""
        read = {id(dataset): dataset.load() for dataset in distinct(self.datasets)}
        return [read[id(dataset)] for dataset in self.datasets]

    def train_dataloader(self) -> Plan:
        return self.plan
