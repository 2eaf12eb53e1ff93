"""The LightningDataModule of a stack: what a loader hands over is a plan, the data stay in memory."""

import pytorch_lightning as pl

from experiments.core.dataset import Dataset, Splits
from experiments.training.schedule import Plan


class StackData(pl.LightningDataModule):
    """Gives Lightning the chunks of one training run, in order.

    Examples are gathered on the device by the module, each run's by its own order, so there are no
    loader workers and no copies per step.

    Args:
        dataset: read once, in ``setup``.
        plan: the chunks of steps.
    """

    def __init__(self, dataset: Dataset, plan: Plan) -> None:
        super().__init__()
        self.dataset = dataset
        self.plan = plan

    def splits(self) -> Splits:
        """Training, validation and test examples, on the CPU."""
        return self.dataset.load()

    def train_dataloader(self) -> Plan:
        return self.plan
