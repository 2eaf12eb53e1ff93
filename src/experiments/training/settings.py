"""Settings of the model and the trainer, checked before anything starts."""

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
        hidden: the width of each hidden layer, replacing ``depth`` and ``width``; None uses those.
        parameters: a budget of weights and biases that replaces ``width``: the width is chosen so
            that the network comes closest to it, whatever the depth. None uses ``width``.
        skip: identity connections around hidden layers of equal width.
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
        batch_size: examples a step, from 1, or the whole training split if that is smaller; None for
            the whole split (gradient descent).
        sampling: "shuffled" epochs, or "replacement": every example of every batch drawn anew, as the
            notes' stochastic gradient descent does.
        evaluations: number of equal parts into which the steps are divided, from 1; validation is
            measured at step 0 and after each part.
        patience: stop a run when its training loss has not fallen for this many evaluations; None
            never stops early.
        min_delta: how far the training loss must fall to count as having fallen.
        l1: penalty l1 * sum |W| on the weights (note 003), from 0.
        l2: penalty l2/2 * sum W^2 on the weights, from 0.
        accelerator: "cpu", "gpu" (also "cuda") or "auto", a CUDA device if there is one.
        precision: Lightning's name for the arithmetic: 32-true, 64-true, bf16-true, 16-true or
            bf16-mixed.
        engine: "recursion" trains with the hand-written recursions in preallocated memory;
            "autograd" with torch's graph over the same layers, for comparison. Mixed precision
            always uses autograd.
        cuda_graph: on a GPU, capture a step, its update included, as one CUDA graph.
        numba: whether Numba compiles the loops of activations that have a scalar formula, and the
            ledger's sums, where the recursions train in float32 or float64 on a CPU: "always"
            (refused without Numba), "never", or "auto": where it is installed, the processor has no
            AVX-512, the stack has one thread, and its training is long enough to repay the second
            that compiling takes.
        subnormals: "flush" treats floats below the smallest normal one as 0 on the CPU, where
            arithmetic with them is 20 to 100 times slower; "keep" computes with them.
        threads: CPU threads; small matrices gain nothing from more than 1. None keeps torch's choice.
        deterministic: refuse operations without a deterministic algorithm.
        progress_bar: show Lightning's bar.
        checkpoint: keep each run's final weights.
        stack_memory: MiB of parameters and activations that one stack may take; a larger group is
            trained as several stacks. None chooses what is fastest: on a CPU as many runs as keep
            one layer within 2 MiB, about a core's caches, 256 MiB at most; on a GPU 16384 MiB,
            and at most half of its free memory.

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
    numba: str = "auto"
    subnormals: str = "flush"
    threads: int | None = 1
    deterministic: bool = False
    progress_bar: bool = False
    checkpoint: bool = True
    stack_memory: int | None = None

    def batch(self, examples: int) -> int:
        """Examples a step for a training split of this size."""
        if self.batch_size is None:
            return examples
        return self.batch_size if self.sampling == "replacement" else min(self.batch_size, examples)

    @property
    def on_gpu(self) -> bool:
        """Whether the run will use a CUDA device."""
        import torch  # here, so that the command line's --help need not wait for it

        return self.accelerator != "cpu" and torch.cuda.is_available()

    def __post_init__(self) -> None:
        choices = {
            "sampling": ("shuffled", "replacement"),
            "accelerator": ("cpu", "gpu", "cuda", "auto"),
            "precision": PRECISIONS,
            "engine": ("recursion", "autograd"),
            "numba": ("auto", "always", "never"),
            "subnormals": ("flush", "keep"),
        }
        for name, allowed in choices.items():
            self._require(name, getattr(self, name) in allowed, f"one of {allowed}")
        for name, least in {"max_steps": 0, "evaluations": 1}.items():
            self._require(name, getattr(self, name) >= least, f"{least} or more")
        for name in ("batch_size", "patience", "threads", "stack_memory"):
            value = getattr(self, name)
            self._require(name, value is None or value >= 1, "1 or more, or null")
        for name in ("min_delta", "l1", "l2"):
            value = getattr(self, name)
            self._require(name, math.isfinite(value) and value >= 0, "a number from 0")

    def _require(self, name: str, fits: bool, expected: str) -> None:
        if not fits:
            found = f"trainer.{name}={getattr(self, name)!r}"
            raise ConfigurationError(describe(found, expected, f"change trainer.{name}"))
