"""A stack: R cells of one shape, to be trained as one computation."""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.dataset import Dataset
from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.core.loss import Loss
from experiments.core.metric import Metric
from experiments.core.operations import WIDE, compiler_problem, has_compiler, require_compiler
from experiments.core.seeding import INITIALISATION, stream
from experiments.models import MLP
from experiments.probes import Ledger
from experiments.training.batches import INDEX
from experiments.training.optimizers.optimizer import Optimizer
from experiments.training.schedule import LONGEST_CHUNK
from experiments.training.settings import ModelSettings, TrainerSettings

Item = TypeVar("Item")

#: default memory of one stack in MiB: a stack on a GPU fills a large part of it
CPU_MEMORY, GPU_MEMORY = 256, 16384
#: and at most this share of what is free, since ``bytes_per_run`` leaves out evaluation and CUDA's own
GPU_SHARE = 0.5
#: bytes that one operation of a stack should touch by default: about what a CPU core's caches hold.
#: With fewer runs the start of an operation weighs more; with more runs it waits for memory.
CPU_CACHE = 2**21
#: of one CPU core: float32 operations per second; seconds to start one layer's operations of a step,
#: and all other operations of a step; seconds of a run without steps (drawing, measuring, writing)
OPERATIONS_PER_SECOND, LAYER_STARTS, STEP_STARTS, CELL = 4e10, 2e-5, 1e-4, 0.01
#: how many times longer autograd takes to start a layer
GRAPH = 8
#: values of activations in a whole training from which on compiling them takes less time than it saves:
#: a second, against 1 to 4 ns each where NumPy has no loops for AVX-512; where it has, nobody has measured
WORTH_COMPILING = 3e8
#: the same in recorded steps, and the ledger's sums: a second, against 1 to 2.5 ns each
WORTH_COMPILING_SUMS = 8e8

DTYPES = {"64-true": torch.float64, "bf16-true": torch.bfloat16, "16-true": torch.float16}


@dataclass(frozen=True)
class Run:
    """One cell's share of a stack: what may differ from run to run.

    Args:
        cell: the cell's identity.
        seed: initialisation and shuffling use separate streams of it.
        initializer: of this run's parameters.
        start: a state_dict of this run alone to start from instead, or None.
        dataset: this run's own examples, of the same shape as the stack's; None uses the stack's.

    Raises:
        ConfigurationError: for a seed that is negative or not an integer.
    """

    cell: str
    seed: int
    initializer: Initializer
    start: dict[str, Tensor] | None = None
    dataset: Dataset | None = None

    def __post_init__(self) -> None:
        stream(self.seed, INITIALISATION)  # raises before anything is built


@dataclass(frozen=True)
class Stack:
    """What R runs share, and the runs themselves.

    Args:
        runs: at least one.
        model: depth, width and connections.
        activation: of the hidden layers.
        loss: of the raw output; owns its link.
        dataset: the examples of every run that has none of its own.
        optimizer: makes the optimiser; a hyperparameter is one number, or one per run, (R,).
        settings: loop, device and arithmetic.
        ledger: what is recorded; nothing, if it has no quantities.
        metrics: measured on the outputs in addition to loss and accuracy, by name.
    """

    runs: tuple[Run, ...]
    model: ModelSettings
    activation: Activation
    loss: Loss
    dataset: Dataset
    optimizer: Callable[[], Optimizer]
    settings: TrainerSettings
    ledger: Ledger
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    @property
    def widths(self) -> tuple[int, ...]:
        """(n_1, ..., n_L)."""
        return self.model.widths(self.dataset.features, self.dataset.outputs)

    @property
    def datasets(self) -> list[Dataset]:
        """The data set of every run."""
        return [run.dataset or self.dataset for run in self.runs]

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES.get(self.settings.precision, torch.float32)

    def build(self) -> MLP:
        """The network of all runs, newly drawn or loaded from checkpoints."""
        with default_dtype(self.dtype):
            net = MLP(
                self.widths,
                self.activation,
                [run.initializer for run in self.runs],
                runs=len(self.runs),
                seed=[run.seed for run in self.runs],
                skip=self.model.skip,
                normalize=self.model.normalize,
            )
        for r, run in enumerate(self.runs):
            if run.start is not None:
                _load(net, r, run.start)
        return net

    @property
    def parameters(self) -> int:
        """Weights and biases of one run."""
        return sum(n * (n_prev + 1) for n_prev, n in pairwise(self.widths))

    def seconds(self, examples: int, runs: int) -> float:
        """Expected training time of a stack on one CPU core, for dividing work among processes.

        Right within a factor of about two for the recursions in float32 and float64; subnormals, half
        precision, metrics and the ledger are not taken into account.

        Args:
            examples: size of the training split.
            runs: number of runs in the stack.
        """
        settings = self.settings
        batch = settings.batch(examples)
        # three matrix products a layer, each a multiplication and an addition per element
        wider = self.dtype.itemsize / torch.float32.itemsize
        arithmetic = 6 * batch * self.parameters * wider / OPERATIONS_PER_SECOND
        layers = (len(self.widths) - 1) * LAYER_STARTS
        starts = STEP_STARTS + layers * (1 if settings.engine == "recursion" else GRAPH)
        return runs * CELL + settings.max_steps * (starts + runs * arithmetic)

    def bytes_per_run(self, batch: int) -> int:
        """Memory of one run in training: parameters, gradients, optimiser state, activations, order."""
        # parameters, gradients and one moment; every layer's a and sigma', which a step reads twice
        parameters, activations = 3, 2
        if self.ledger.columns:  # weights before the update and their change; z, delta
            parameters, activations = parameters + 2, activations + 2
        numbers = parameters * self.parameters + activations * batch * sum(self.widths)
        # the order of a chunk's batches, and the next one's
        indices = 0 if self.settings.batch_size is None else 2 * LONGEST_CHUNK * batch
        return self.dtype.itemsize * numbers + INDEX.itemsize * indices

    def wants_compiled(self, examples: int) -> bool:
        """Whether Numba is to compile activations, if recursions train ``examples`` on a CPU."""
        able = self.activation.compiles(torch.empty(0, dtype=self.dtype))
        values = able * self.settings.max_steps * self._activations(examples)
        return self._wants_numba(values >= WORTH_COMPILING, "activations")

    def wants_compiled_sums(self, examples: int) -> bool:
        """The same for the ledger's sums."""
        records = self.settings.max_steps // self.ledger.every if self.ledger.every else 0
        read = len(self.ledger.sums & {"a", "derivative", "delta"})
        values = records * self._activations(examples) * read / 3
        return self._wants_numba(values >= WORTH_COMPILING_SUMS, "the ledger's sums")

    def _wants_numba(self, repays: bool, what: str) -> bool:
        settings = self.settings
        if settings.numba != "auto":
            return settings.numba == "always"
        # before Numba is imported to look for problems
        half = self.dtype.itemsize < 4
        if not repays or WIDE or half or settings.threads != 1 or settings.on_gpu:
            return False
        problem = compiler_problem()
        if problem is not None and has_compiler():
            warnings.warn(f"found {problem}: {what} are not compiled", stacklevel=3)
        return problem is None

    def _activations(self, examples: int) -> int:
        """Hidden activations of all runs in one step."""
        return len(self.runs) * self.settings.batch(examples) * sum(self.widths[1:-1])

    def require_ready(self, examples: int) -> None:
        """Refuse what is known to be impossible, before anything is built.

        Raises:
            ConfigurationError: for a missing device or compiler, or a network larger than the memory of
                this machine.
        """
        settings = self.settings
        if settings.numba == "always":
            require_compiler()
        if settings.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
            raise ConfigurationError(
                describe(
                    f"trainer.accelerator={settings.accelerator} and no CUDA device",
                    "a GPU that torch can see",
                    "set trainer=cpu, or install a CUDA build of torch and check nvidia-smi",
                )
            )
        needed, there = self.bytes_per_run(settings.batch(examples)), _physical_memory()
        if needed > there:
            raise ConfigurationError(
                describe(
                    f"a network that needs {needed / 2**30:.3g} GiB to train",
                    f"at most the {there / 2**30:.3g} GiB of this machine",
                    "lower model.width, model.depth or trainer.batch_size",
                )
            )

    def largest(self, examples: int) -> int:
        """The number of runs, at least one, up to which a stack fits in memory and is fastest.

        Args:
            examples: size of the training split.
        """
        batch = self.settings.batch(examples)
        memory: float | None = self.settings.stack_memory
        fastest = math.inf
        if memory is None and self.settings.on_gpu:
            free, _ = torch.cuda.mem_get_info()
            memory = min(GPU_MEMORY, GPU_SHARE * free / 2**20)
        elif memory is None:
            memory, fastest = CPU_MEMORY, CPU_CACHE / self._bytes_per_operation(batch)
        return max(1, math.floor(min(fastest, memory * 2**20 / self.bytes_per_run(batch))))

    def _bytes_per_operation(self, batch: int) -> int:
        """One run's share of the largest matrix product: a layer's inputs, weights and outputs."""
        return self.dtype.itemsize * max(
            batch * (n_prev + n) + n_prev * n for n_prev, n in pairwise(self.widths)
        )


def _physical_memory() -> float:
    """Bytes of main memory, where the system tells it."""
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not all(name in getattr(os, "sysconf_names", ()) for name in names):
        return math.inf
    return math.prod(map(os.sysconf, names))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Inside, new parameters have this type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _load(net: MLP, run: int, state: dict[str, Tensor]) -> None:
    """Copy one run's saved parameters into its row of the stack."""
    for name, parameter in net.named_parameters():
        found = state.get(name)
        shape = tuple(parameter.shape[1:])
        if found is None or tuple(found.shape) != shape:
            raise ConfigurationError(
                describe(
                    f"a checkpoint whose {name} is "
                    + ("missing" if found is None else f"of shape {tuple(found.shape)}"),
                    f"shape {shape}",
                    "start from a checkpoint of a network with the same data, depth and width",
                )
            )
        with torch.no_grad():
            parameter[run].copy_(found)


def chunked(items: Sequence[Item], size: int) -> list[list[Item]]:
    """Cut into groups of about equal size, none larger than ``size``.

    >>> chunked("abcdefg", 3)
    [['a', 'b', 'c'], ['d', 'e', 'f'], ['g']]
    >>> chunked("", 3)
    []
    """
    parts = max(1, math.ceil(len(items) / size))
    each = max(1, math.ceil(len(items) / parts))
    return [list(items[i : i + each]) for i in range(0, len(items), each)]
