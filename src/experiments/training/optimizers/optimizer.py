"""Contract of an optimiser over the run axis: one call updates every run of a stack.

A parameter is a tensor (R, ...), its first axis the runs; a hyperparameter is one number for all
runs, or R numbers, one for each. Everything happens in place, without autograd.

Whatever changes from step to step is a tensor on the parameters' device, and nothing is counted in
Python: a step can be captured as a CUDA graph, and its replays go on from there.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from experiments.core.errors import CheckpointError, ConfigurationError, describe

Hyperparameter = float | int | Sequence[float | int] | Tensor


class Optimizer(ABC):
    """Hyperparameters, memory, and the update of one step.

    ``step`` takes lists of tensors (R, ...): layers, or the few blocks of ParameterBlocks, or one
    buffer (R, P). The fewer tensors, the fewer kernels. They stay the same ones, in the same order,
    from step to step.

    Args:
        hyperparameters: numbers by name, each one for all runs or a sequence of R.
    """

    #: every number by name, float64 on the CPU: () if all runs share it, else (R,)
    hyperparameters: dict[str, Float64[Tensor, "*runs"]]
    #: what is remembered, one dictionary for each parameter; every tensor has the runs first
    memory: list[dict[str, Tensor]]
    #: by name, whether a hyperparameter is other than 0 in any run; known once prepared
    active: dict[str, bool]
    #: by name, the argument of a hyperparameter that is not called as its argument is
    arguments: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **hyperparameters: Hyperparameter) -> None:
        self.hyperparameters = {n: _numbers(n, value) for n, value in hyperparameters.items()}
        self.memory = []
        self.active = {}
        self._numbers: list[dict[str, Tensor]] = []

    @abstractmethod
    def allocate(self, parameter: Float[Tensor, "runs *shape"]) -> dict[str, Tensor]:
        """The memory of one parameter as it is before the first step."""

    @abstractmethod
    def update(
        self,
        parameter: Float[Tensor, "runs *shape"],
        gradient: Float[Tensor, "runs *shape"],
        memory: dict[str, Tensor],
        numbers: dict[str, Tensor],
    ) -> None:
        """Change one parameter and its memory in place.

        ``numbers`` are the hyperparameters in the parameter's precision and on its device, shaped
        () or (R, 1, ..., 1), so that they broadcast along the run axis.
        """

    @final
    @torch.no_grad()
    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Update all runs by one step.

        Args:
            parameters: tensors (R, ...), changed in place.
            gradients: of the same shapes, each run's own dC/dparameter; left as they are.
        """
        if not self._numbers:
            self.prepare(parameters)
        for one in zip(parameters, gradients, self.memory, self._numbers, strict=True):
            self.update(*one)

    @final
    def prepare(self, parameters: Sequence[Tensor]) -> None:
        """Allocate the memory now; otherwise the first step does.

        Raises:
            ConfigurationError: if a hyperparameter has one number a run and a parameter has another
                number of runs: broadcasting would pair them with something else.
            CheckpointError: if the memory that was loaded belongs to parameters of other shapes.
        """
        for name, value in self.hyperparameters.items():
            if value.ndim > 1 or any(value.ndim and p.shape[:1] != value.shape for p in parameters):
                shapes = [tuple(p.shape) for p in parameters]
                name = self.arguments.get(name, name)
                raise ConfigurationError(
                    describe(
                        f"{name} of shape {tuple(value.shape)} for parameters of shapes {shapes}",
                        "one number, or one for each run along the first axis",
                        f"give {name} as many values as the stack has runs",
                    )
                )
        self.active = {n: bool(value.any()) for n, value in self.hyperparameters.items()}
        fresh = [self.allocate(p) for p in parameters]
        if self.memory:
            _fill(fresh, self.memory)
        self.memory = fresh
        self._numbers = [
            {name: _along_runs(value, p) for name, value in self.hyperparameters.items()}
            for p in parameters
        ]

    @final
    def select(self, index: Int64[Tensor, " kept"]) -> None:
        """Keep the runs that ``index`` names, in its order; the others' memory is freed.

        The next ``step`` is given the parameters of these runs.
        """
        for name, value in self.hyperparameters.items():
            self.hyperparameters[name] = value[index.cpu()] if value.ndim else value
        self.memory = [{n: m[index.to(m.device)] for n, m in one.items()} for one in self.memory]
        self._numbers = []

    @final
    def state_dict(self) -> dict[str, Any]:
        """Everything a continued run needs, in copies: ``hyperparameters`` and ``memory``."""
        return {
            "hyperparameters": {n: v.clone() for n, v in self.hyperparameters.items()},
            "memory": [{n: m.clone() for n, m in one.items()} for one in self.memory],
        }

    @final
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` gave; the memory moves to the parameters' device.

        Raises:
            CheckpointError: if it was written by another kind of optimiser.
        """
        found, expected = set(state.get("hyperparameters", {})), set(self.hyperparameters)
        if found != expected or "memory" not in state:
            raise CheckpointError(
                describe(
                    f"a state of {sorted(state)} with hyperparameters {sorted(found)}",
                    f"hyperparameters {sorted(expected)} and memory",
                    f"continue with the optimiser that wrote it, not {type(self).__name__}",
                )
            )
        self.hyperparameters = {n: v.clone() for n, v in state["hyperparameters"].items()}
        self.memory = [{n: m.clone() for n, m in one.items()} for one in state["memory"]]
        self._numbers = []


def require(name: str, value: Float64[Tensor, "*runs"], below: float = math.inf) -> None:
    """Refuse a hyperparameter outside [0, below), in any run.

    Raises:
        ConfigurationError: naming the values found.
    """
    if not bool(((value >= 0) & (value < below)).all()):
        raise ConfigurationError(
            describe(
                f"{name}={value.tolist()}",
                f"0 <= {name} < {below:g} in every run",
                f"give {name} inside that range" + (" (0 freezes a run)" if name == "lr" else ""),
            )
        )


def _numbers(name: str, value: Hyperparameter) -> Tensor:
    try:
        return torch.as_tensor(value, dtype=torch.float64).detach().cpu().clone()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigurationError(
            describe(f"{name}={value!r}", "a number, or one for each run", f"give {name}=0.1, say")
        ) from error


def one_per_run(parameter: Tensor) -> tuple[int, ...]:
    """(R, 1, ..., 1), the shape of one number for each run beside a parameter (R, ...)."""
    return (len(parameter), *[1] * (parameter.ndim - 1))


def _along_runs(value: Tensor, parameter: Tensor) -> Tensor:
    """() stays (); (R,) becomes (R, 1, ..., 1)."""
    cast = value.to(device=parameter.device, dtype=parameter.dtype, copy=True)
    return cast.reshape(one_per_run(parameter)) if value.ndim else cast


def _fill(fresh: list[dict[str, Tensor]], loaded: list[dict[str, Tensor]]) -> None:
    def shapes(memory: list[dict[str, Tensor]]) -> list[dict[str, tuple[int, ...]]]:
        return [{name: tuple(m.shape) for name, m in one.items()} for one in memory]

    if shapes(fresh) != shapes(loaded):
        raise CheckpointError(
            describe(
                f"optimiser memory of shapes {shapes(loaded)}",
                f"{shapes(fresh)}",
                "continue with the network, the number of runs and the settings that wrote it",
            )
        )
    for new, old in zip(fresh, loaded, strict=True):
        for name, m in old.items():
            new[name].copy_(m)
