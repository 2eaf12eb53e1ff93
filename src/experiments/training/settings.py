"""What a training run is told, checked before anything starts."""

import math
from dataclasses import dataclass

from experiments.core.errors import ConfigurationError, describe

PRECISIONS = ("32-true", "64-true", "bf16-true", "16-true", "bf16-mixed")


@dataclass  # not frozen: it is also a typed node of the front page, which option files fill
class ModelSettings:
    """The network between the data's input and output.

    Args:
        depth: number of hidden layers, from 0 (a linear model).
        width: neurons in each hidden layer, from 1.
        hidden: the width of every hidden layer, one by one; None takes ``depth`` times ``width``.
        parameters: choose the width instead, so that the weights and biases come closest to this
            number: networks of all depths at one price. None takes ``width``.
        skip: identity connections round hidden layers of equal width.
        normalize: layer normalisation of the hidden layers' weighted inputs.

    Raises:
        ConfigurationError: for a size outside its range, by name.

    Example:
        >>> ModelSettings(depth=2, width=32).widths(64, 10)
        (64, 32, 32, 10)
        >>> ModelSettings(depth=8, parameters=10_000).widths(64, 10)
        (64, 32, 32, 32, 32, 32, 32, 32, 32, 10)
    """

    depth: int = 4
    width: int = 32
    hidden: list[int] | None = None
    parameters: int | None = None
    skip: bool = False
    normalize: bool = False

    def __post_init__(self) -> None:
        sizes = [("depth", self.depth, 0), ("width", self.width, 1)]
        sizes += [("hidden", n, 1) for n in self.hidden or []]
        sizes += [] if self.parameters is None else [("parameters", self.parameters, 1)]
        for name, value, least in sizes:
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigurationError(
                    describe(
                        f"model.{name}={value!r}",
                        f"an integer from {least}",
                        f"change model.{name} (depth counts hidden layers; 0 is a linear model)",
                    )
                )
        if self.hidden is not None and self.parameters is not None:
            raise ConfigurationError(
                describe(
                    f"model.hidden={self.hidden} and model.parameters={self.parameters}",
                    "one of the two",
                    "set the other to null: both say how wide the hidden layers are",
                )
            )

    def widths(self, n_in: int, n_out: int) -> tuple[int, ...]:
        """(n_1, ..., n_L) for data with so many features and outputs."""
        if self.hidden is not None:
            return (n_in, *self.hidden, n_out)
        width = self.width
        if self.parameters is not None and self.depth:
            width = self._affordable(self.parameters, n_in, n_out)
        return (n_in, *[width] * self.depth, n_out)

    def _affordable(self, wanted: int, n_in: int, n_out: int) -> int:
        """The width n at which (D - 1) n^2 + (n_1 + n_L + D) n + n_L comes closest to ``wanted``."""
        square, linear = self.depth - 1, n_in + n_out + self.depth
        spare = max(wanted - n_out, 0)
        # the stable form of the positive root, right for D = 1 too
        root = 2 * spare / (linear + math.sqrt(linear**2 + 4 * square * spare))
        near = (max(1, math.floor(root)), math.floor(root) + 1)
        return min(near, key=lambda n: abs(square * n**2 + linear * n + n_out - wanted))


@dataclass  # not frozen: it is also the typed node of the front page, which option files fill
class TrainerSettings:
    """Loop, device and arithmetic of a training run.

    Args:
        max_steps: optimiser steps, from 0 (0 measures the initial state only).
        batch_size: examples a step, from 1; None for the full training split (gradient descent).
        sampling: "shuffled" epochs, or "replacement": every example of every batch drawn anew, as the
            notes' stochastic gradient descent does.
        evaluations: validation is measured at step 0 and after each of so many equal parts of the
            steps, from 1.
        patience: stop a run when its training loss has not fallen for so many evaluations; None
            never stops early.
        min_delta: the least fall of the training loss that counts as one.
        l1: penalty l1 * sum |W| on the weights (note 003), from 0.
        l2: penalty l2/2 * sum W^2 on the weights, from 0.
        accelerator: "cpu", "gpu" or "auto".
        precision: Lightning's name of the arithmetic.
        engine: "recursion" trains by the hand-written recursions in reserved memory; "autograd" by
            torch's graph over the same layers, to compare. Mixed precision always takes autograd.
        cuda_graph: on a GPU, capture the recursions of a step as one CUDA graph.
        subnormals: "flush" treats floats below the smallest normal one as 0 on the CPU, where they
            cost 20 to 100 times the time; "keep" computes with them.
        threads: of the CPU; small matrices gain nothing from more than 1. None leaves torch's choice.
        deterministic: refuse operations without a deterministic algorithm.
        progress_bar: show Lightning's bar.
        checkpoint: keep each run's final weights.
        stack_memory: MiB of parameters and activations that one stack may take; a larger group is
            trained in several stacks. None takes what is fastest: on a CPU as many runs as keep one
            layer in a core's cache (1 MiB), up to 256 in all; on a GPU 16384.

    Raises:
        ConfigurationError: for a value outside its range, by name.
    """

    max_steps: int = 300
    batch_size: int | None = 64
    sampling: str = "shuffled"
    evaluations: int = 10
    patience: int | None = None
    min_delta: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    accelerator: str = "auto"
    precision: str = "32-true"
    engine: str = "recursion"
    cuda_graph: bool = True
    subnormals: str = "flush"
    threads: int | None = 1
    deterministic: bool = False
    progress_bar: bool = False
    checkpoint: bool = True
    stack_memory: int | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether the run will use a CUDA device."""
        import torch  # here, so that the command line's --help need not wait for it

        return self.accelerator != "cpu" and torch.cuda.is_available()

    def __post_init__(self) -> None:
        self._require("max_steps", self.max_steps, self.max_steps >= 0, "0 or more")
        size = self.batch_size
        self._require("batch_size", size, size is None or size >= 1, "1 or more, or null for all")
        ways = ("shuffled", "replacement")
        self._require("sampling", self.sampling, self.sampling in ways, f"one of {ways}")
        self._require("evaluations", self.evaluations, self.evaluations >= 1, "1 or more")
        patience = self.patience
        self._require("patience", patience, patience is None or patience >= 1, "1 or more, or null")
        for name in ("min_delta", "l1", "l2"):
            value = getattr(self, name)
            self._require(name, value, math.isfinite(value) and value >= 0, "a number from 0")
        devices = ("cpu", "gpu", "cuda", "auto")
        self._require(
            "accelerator", self.accelerator, self.accelerator in devices, f"one of {devices}"
        )
        self._require(
            "precision", self.precision, self.precision in PRECISIONS, f"one of {PRECISIONS}"
        )
        engines = ("recursion", "autograd")
        self._require("engine", self.engine, self.engine in engines, f"one of {engines}")
        modes = ("flush", "keep")
        self._require("subnormals", self.subnormals, self.subnormals in modes, f"one of {modes}")
        threads = self.threads
        self._require("threads", threads, threads is None or threads >= 1, "1 or more, or null")
        memory = self.stack_memory
        self._require("stack_memory", memory, memory is None or memory >= 1, "1 or more, or null")

    @staticmethod
    def _require(name: str, found: object, fits: bool, expected: str) -> None:
        if not fits:
            raise ConfigurationError(
                describe(f"trainer.{name}={found!r}", expected, f"change trainer.{name}")
            )
