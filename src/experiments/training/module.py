"""The LightningModule that trains a stack: one call is a chunk of steps of all its runs."""

import itertools
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from experiments.core.dataset import Splits
from experiments.core.logger import CurveWriter
from experiments.core.probe import StepPass
from experiments.training.batches import BatchOrder, BatchOrders
from experiments.training.below_floats import fill_below_floats
from experiments.training.curves import Curves, show_distributions
from experiments.training.engine import AutogradEngine, Engine, RecursionEngine
from experiments.training.evaluation import evaluate
from experiments.training.examples import Examples, Part
from experiments.training.outcome import Outcome
from experiments.training.parameters import StackParameters
from experiments.training.schedule import Chunk
from experiments.training.stack import Stack
from experiments.training.steps import Steps

Writers = Sequence[Sequence[CurveWriter]]


class StackModule(pl.LightningModule):
    """Trains R runs at once; Lightning drives chunks of steps, devices and precision.

    A run leaves the stack when its loss is not finite (diverged) or has stopped falling; its share
    of the buffers is freed. Its neighbours are not affected, since no operation mixes runs.

    Args:
        stack: what to train.
        splits: every run's data, on the CPU.
        writers: for every run, where its curves are written.
    """

    def __init__(self, stack: Stack, splits: Sequence[Splits], writers: Writers) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stack = stack
        self.net = stack.build()
        self.splits = splits
        columns, layers = stack.ledger.columns, len(self.net.dense_layers)
        self.curves = [Curves(mine, columns, layers) for mine in writers]
        self.outcomes = [Outcome() for _ in stack.runs]
        self.alive = list(range(len(stack.runs)))
        self._best = np.full(len(stack.runs), np.inf)
        self._waited = np.zeros(len(stack.runs), int)
        self._losses: list[Tensor] = []
        self._measured: dict[str, dict[str, np.ndarray]] = {}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """No optimiser of torch's: the module drives the stack's own."""
        return []

    def on_fit_start(self) -> None:
        """Allocate buffers, once Lightning has moved the network to its device."""
        self._clock, self._seconds = time.perf_counter(), 0.0
        self.trained_on = self.device  # Lightning moves the network back when it is done
        self.parameter_home = StackParameters(self.net)
        self.data = Examples(self.splits, self.stack.dtype, self.device)
        self.orders = self._orders()
        self.optimizer = self.stack.optimizer()
        self.steps = self._steps()
        self.compiled = self.steps.engine.compiled
        self.compiled_sums = self.steps.engine.sums is not None

    def training_step(self, chunk: Chunk, batch_idx: int) -> None:
        """The chunk's steps, for every run that is still in the stack."""
        if not self.alive:
            self.trainer.should_stop = True
            return
        if chunk.evaluate:
            self._evaluate(chunk.start)
            self._drop_settled(chunk.start)
        steps = chunk.stop - chunk.start
        if not self.alive or not steps:
            return
        self._measured = {}
        losses = torch.empty(steps, len(self.alive), dtype=self.stack.dtype, device=self.device)
        for k, (x, t) in enumerate(self._batches(steps)):
            if chunk.start + k in chunk.records and self.stack.ledger.columns:
                losses[k] = self._recorded_step(chunk.start + k, x, t)
            else:
                losses[k] = self.steps(x, t)
        if self.orders is not None:
            self.orders.draw(chunk.following)
        self._drop_diverged(losses, chunk.start)

    def on_train_end(self) -> None:
        """Evaluate, record and close every run that is still in the stack."""
        step = self.stack.settings.max_steps
        if self.alive:
            self._evaluate(step)
            self._record_state(step, range(len(self.alive)))
            self._show_records()
        self._leave(self.alive, step)

    def release(self) -> None:
        """Let go of all memory on the device; nothing can be trained afterwards.

        Lightning's trainer and the module refer to each other, so that the module itself stays until
        the garbage collector finds them, and on a GPU that may be several stacks later.
        """
        self._forget("steps", "orders", "data", "optimizer", "parameter_home")

    def _forget(self, *names: str) -> None:
        for name in names:
            vars(self).pop(name, None)

    def _engine(self) -> Engine:
        """The recursions, with buffers for the remaining runs.

        Autograd for mixed precision, and for networks beyond the notes (skips, normalisation).
        """
        settings, loss = self.stack.settings, self.stack.loss
        by_hand = settings.engine == "recursion" and settings.precision != "bf16-mixed"
        if not (by_hand and self.net.plain):
            return AutogradEngine(self.net, loss, self.parameter_home)
        size, stack = self.data.size, self.stack
        sums = stack.ledger.sums if stack.wants_compiled_sums(size) else ()
        compiles = stack.wants_compiled(size)
        batch = settings.batch(size)
        return RecursionEngine(self.net, loss, self.parameter_home, batch, compiles, sums)

    def _steps(self) -> Steps:
        """A step of the remaining runs, captured if they are on a GPU."""
        settings, engine = self.stack.settings, self._engine()
        captured = settings.cuda_graph and self.device.type == "cuda" and engine.steady
        return Steps(engine, self.optimizer, settings.l1, settings.l2, captured)

    def _orders(self) -> BatchOrders | None:
        """The order of every run's examples; None if a batch is the whole split."""
        settings = self.stack.settings
        if settings.batch_size is None:
            return None
        size, batch = self.data.size, settings.batch(self.data.size)
        replace = settings.sampling == "replacement"
        orders = [BatchOrder(run.seed, size, batch, replace) for run in self.stack.runs]
        return BatchOrders(orders, self.device)

    def _batches(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every run's batch (R, batch, n_1), or the whole split (N, n_1) if the runs share it."""
        if self.orders is None:
            return itertools.repeat(self.data.whole(), steps)
        return self.data.batches(self.orders.take(steps))

    def _recorded_step(self, step: int, x: Tensor, t: Tensor) -> Tensor:
        cost, record = self.steps.recorded(x, t)
        everyone = range(len(self.alive))
        self._record(step, record, x, t, everyone)
        if step == 0:
            self._show_distributions(step, record, everyone)
        return cost

    def _record_state(self, step: int, which: Sequence[int]) -> None:
        """Record these of the remaining runs, which take no further step, on their next batches."""
        if not self.stack.ledger.columns:
            return
        if self.orders is None:
            x, t = self.data.whole()
        else:
            ((x, t),) = self.data.batches(self.orders.next())
        _, record = self.steps.recorded(x, t, update=False)
        self._record(step, record, x, t, which)
        self._show_distributions(step, record, which)

    @torch.no_grad()
    def _record(
        self, step: int, record: StepPass, x: Tensor, t: Tensor, which: Sequence[int]
    ) -> None:
        ledger = self.stack.ledger
        table = ledger.record(record).numpy()  # the one transfer of a record
        fill_below_floats(table, ledger.columns, record, self.net, x, t, self.stack.loss)
        for r in which:
            self.outcomes[self.alive[r]].recorded.append((step, table[:, r]))

    def _show_distributions(self, step: int, record: StepPass, which: Sequence[int]) -> None:
        show_distributions({r: self.curves[self.alive[r]] for r in which}, step, record)

    def _show_records(self) -> None:
        """Write the new records, once it is known that they come before any divergence."""
        for run in self.alive:
            self.curves[run].recorded(self.outcomes[run].recorded)

    def _evaluate(self, step: int) -> None:
        measured = {"train/loss": self._mean_batch_loss(), **self._measure("val")}
        for r, run in enumerate(self.alive):
            numbers = {name: float(values[r]) for name, values in measured.items()}
            self.outcomes[run].evaluated(step, numbers)
            self.curves[run].evaluated(step, numbers)

    def _measure(self, part: Part) -> dict[str, np.ndarray]:
        """Loss and accuracy of every run on one split; metrics too, except on training data.

        Measured at most once between two steps.
        """
        if part not in self._measured:
            metrics = {} if part == "train" else self.stack.metrics
            task, loss = self.stack.dataset.task, self.stack.loss
            found = evaluate(self.net, loss, self.data.part(part), task, metrics)
            numbers = {f"{part}/{name}": values.cpu().numpy() for name, values in found.items()}
            self._measured[part] = numbers
        return self._measured[part]

    def _mean_batch_loss(self) -> np.ndarray:
        """Mean batch loss since the last evaluation; before the first step, the whole split's loss."""
        if not self._losses:
            return self._measure("train")["train/loss"]
        mean: np.ndarray = torch.cat(self._losses).double().mean(0).numpy()
        self._losses = []
        return mean

    def _drop_diverged(self, losses: Tensor, start: int) -> None:
        """Close the runs whose loss was not finite within the chunk; ``losses`` is (steps, R)."""
        host = losses.cpu()
        bad = ~torch.isfinite(host)
        gone = torch.nonzero(bad.any(0)).flatten().tolist()
        for r in gone:
            outcome = self.outcomes[self.alive[r]]
            outcome.status = "diverged"
            at = outcome.diverged_at = start + int(bad[:, r].int().argmax())
            # the chunk's later records are of a network that has already diverged
            outcome.recorded = [(step, table) for step, table in outcome.recorded if step <= at]
        self._losses.append(host)
        if gone:
            self._record_state(start + len(host), gone)
        self._show_records()
        self._leave([self.alive[r] for r in gone], None)

    def _drop_settled(self, step: int) -> None:
        """Close the runs whose training loss has not fallen for ``patience`` evaluations."""
        patience = self.stack.settings.patience
        if patience is None:
            return
        settled = []
        # of the whole split: the mean over a few batches fluctuates
        whole = self._measure("train")["train/loss"]
        for run, loss in zip(self.alive, whole.tolist(), strict=True):
            if loss < self._best[run] - self.stack.settings.min_delta:
                self._best[run], self._waited[run] = loss, 0
            else:
                self._waited[run] += 1
            if self._waited[run] >= patience:
                self.outcomes[run].stopped_at = step
                settled.append(run)
        if settled:
            self._record_state(step, [self.alive.index(run) for run in settled])
            self._show_records()
        self._leave(settled, step)

    def _leave(self, leaving: Sequence[int], step: int | None) -> None:
        """Close some runs: final metrics on whole splits, parameters; then free their memory."""
        if not leaving:
            return
        where = {run: r for r, run in enumerate(self.alive)}
        measured = self._measure("train") | self._measure("val") | self._measure("test")
        self._share_time()
        for run in list(leaving):
            outcome, r = self.outcomes[run], where[run]
            outcome.metrics |= {name: float(values[r]) for name, values in measured.items()}
            outcome.steps = step if step is not None else (outcome.diverged_at or 0)
            if not np.isfinite(outcome.metrics["train/loss"]):
                outcome.status = "diverged"
                if outcome.diverged_at is None:
                    outcome.diverged_at = outcome.steps
            outcome.seconds = self._seconds
        if self.stack.settings.checkpoint:
            states = self.parameter_home.states_of([where[run] for run in leaving])
            for run, state in zip(leaving, states, strict=True):
                self.outcomes[run].state = state
        self._compact([r for run, r in where.items() if run not in set(leaving)])

    def _share_time(self) -> None:
        """Divide the time since a run last left among the runs that were in the stack."""
        before, self._clock = self._clock, time.perf_counter()
        self._seconds += (self._clock - before) / len(self.alive)

    def _compact(self, keep: list[int]) -> None:
        self.alive = [self.alive[r] for r in keep]
        self._losses = [chunk[:, keep] for chunk in self._losses]
        self._measured = {}
        if keep:
            self._forget("steps")  # before memory for the remaining runs is allocated
            index = torch.tensor(keep, device=self.device)
            self.parameter_home.select(index)
            self.data.select(keep)
            self.optimizer.select(index)
            if self.orders is not None:
                self.orders.select(keep)
            self.steps = self._steps()
