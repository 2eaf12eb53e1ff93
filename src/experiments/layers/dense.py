"""Dense: a fully-connected layer, z = W a + b and a = sigma(z), for one network or a stack of R."""

from collections.abc import Sequence
from typing import SupportsIndex, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from experiments.activations import Identity
from experiments.core.activation import Activation
from experiments.core.alike import require_alike, require_tensor
from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.core.seeding import INITIALISATION, Seeds, run_seeds, stream
from experiments.core.whole import whole
from experiments.layers.dense_function import dense
from experiments.layers.record import LayerRecord


class Dense(nn.Module):
    """A fully-connected layer a = sigma(W a_prev + b) with a hand-written backward.

    Formula (column form)::

        z^[l] = W^[l] a^[l-1] + b^[l],    a^[l] = sigma(z^[l])

    Args:
        in_features: n_{l-1}, at least 1.
        out_features: n_l, at least 1.
        activation: sigma.
        initializer: how W and b are drawn; one for all runs, or a list with one per run.
        runs: None for one network; R for a stack, which adds a leading axis R to W, b and a.
        seed: one seed per run, or the first of R consecutive seeds. Run r of a stack draws the same
            numbers as a single layer with the seed of run r. Alternatively one generator per run: a
            network passes the same generators from layer to layer.
        normalize: standardise z over the neurons of each example before sigma (layer
            normalisation without gain and bias).

    Raises:
        ConfigurationError: for a size below 1, or an argument of the wrong type.

    Example:
        >>> from experiments.activations import ReLU
        >>> from experiments.initializers import He
        >>> layer = Dense(3, 2, ReLU(), He(), runs=4, seed=0)
        >>> layer(torch.ones(5, 3)).shape
        torch.Size([4, 5, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: Activation,
        initializer: Initializer | Sequence[Initializer],
        runs: SupportsIndex | None = None,
        seed: Seeds | Sequence[torch.Generator] = 0,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        in_features = whole("in_features", in_features, 1)
        out_features = whole("out_features", out_features, 1)
        runs = None if runs is None else whole("runs", runs, 1)
        if not isinstance(activation, Activation):
            raise ConfigurationError(
                describe(
                    f"activation={activation!r}",
                    "an Activation",
                    "use one of experiments.activations (those of torch.nn have no .derivative), or a "
                    "subclass of experiments.core.activation.Activation",
                )
            )
        self.in_features = in_features
        self.out_features = out_features
        self.runs = runs
        self.activation = activation
        self.normalize = normalize
        generators = _generators(seed, runs)
        initializers = _per_run(initializer, len(generators))
        shape = (out_features, in_features)
        drawn = [  # per run: W first, then b, from the same generator
            (draw.weight(*shape, generator), draw.bias(*shape, generator))
            for draw, generator in zip(initializers, generators, strict=True)
        ]
        device, dtype = torch.get_default_device(), torch.get_default_dtype()
        weight, bias = (torch.stack(part).to(device, dtype) for part in zip(*drawn, strict=True))
        self.weight = nn.Parameter(weight[0] if runs is None else weight)
        self.bias = nn.Parameter(bias[0] if runs is None else bias)

    def trace(
        self, a_prev: Float[Tensor, "*batch n_prev"], record: LayerRecord | None = None
    ) -> tuple[Float[Tensor, "*runs_batch n"], Float[Tensor, "*runs_batch n"]]:
        """(z, a) of one pass, both differentiable; z is the value before any normalisation.

        Args:
            a_prev: a^[l-1], (batch, n_prev), with runs also (R, batch, n_prev).
            record: receives z and a now, and delta in the backward pass.

        Raises:
            ValueError: for anything but a tensor, if the shapes do not match (broadcasting would hide a
                missing run axis), or if the input differs from the parameters in type or device.
        """
        require_tensor("x", a_prev)
        rows = self._rows(a_prev)
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        device = rows.device.type
        # the meta device has no autocast, and raises when asked
        if device != "meta" and torch.is_autocast_enabled(device):
            # cast outside the Function, because its backward may run outside the autocast region
            dtype = torch.get_autocast_dtype(device)
            rows, weight, bias = (_autocast(part, dtype) for part in (rows, weight, bias))
        require_alike(rows, weight)
        if self.normalize:
            _, z = dense(rows, weight, bias, Identity(), record)
            a = self.activation(self.argument(z))
        else:
            a, z = dense(rows, weight, bias, self.activation, record)
        if record is not None:
            record.a_prev, record.z, record.a = rows.detach(), z.detach(), a.detach()
        if self.runs is None and a_prev.dim() != 2:
            shape = (*a_prev.shape[:-1], self.out_features)
            return z.reshape(shape), a.reshape(shape)
        return z, a

    def forward(self, a_prev: Float[Tensor, "*batch n_prev"]) -> Float[Tensor, "*runs_batch n"]:
        """a^[l], shape (batch, n), with runs (R, batch, n)."""
        return self.trace(a_prev)[1]

    def argument(self, z: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """The argument of sigma: z, standardised over the neurons if the layer normalises."""
        return nn.functional.layer_norm(z, z.shape[-1:]) if self.normalize else z

    def extra_repr(self) -> str:
        runs = "" if self.runs is None else f", runs={self.runs}"
        normalized = ", normalize" if self.normalize else ""
        return f"{self.in_features} -> {self.out_features}{runs}{normalized}"

    def _rows(self, a_prev: Tensor) -> Tensor:
        """a_prev as (batch, n_prev), or (R, batch, n_prev) in a stack."""
        shape = tuple(a_prev.shape)
        if shape and shape[-1] == self.in_features:
            if self.runs is None:
                return a_prev if a_prev.dim() == 2 else a_prev.reshape(-1, self.in_features)
            if len(shape) == 2:
                return a_prev.expand(self.runs, *shape)
            if len(shape) == 3 and shape[0] == self.runs:
                return a_prev
        expected = f"(batch, {self.in_features})"
        if self.runs is not None:
            expected += f" or ({self.runs}, batch, {self.in_features})"
        remedy = "match the layer's in_features and runs"
        raise ValueError(describe(f"an input of shape {shape}", expected, remedy))


def _autocast(part: Tensor, dtype: torch.dtype) -> Tensor:
    """What torch's own layers cast: floats, but never float64."""
    return part.to(dtype) if part.is_floating_point() and part.dtype != torch.float64 else part


def _per_run(initializer: Initializer | Sequence[Initializer], count: int) -> list[Initializer]:
    initializers = [initializer] * count if isinstance(initializer, Initializer) else initializer
    if (
        not isinstance(initializers, Sequence)
        or len(initializers) != count
        or not all(isinstance(one, Initializer) for one in initializers)
    ):
        raise ConfigurationError(
            describe(
                f"initializer={initializer!r}",
                f"an Initializer, or {count} of them: one per run",
                "use one of experiments.initializers, for instance Glorot()",
            )
        )
    return list(initializers)


def _generators(seed: Seeds | Sequence[torch.Generator], runs: int | None) -> list[torch.Generator]:
    """One generator per run: the given ones, or new ones made from the seeds."""
    if isinstance(seed, Sequence) and any(isinstance(g, torch.Generator) for g in seed):
        count = 1 if runs is None else runs
        if len(seed) != count or not all(isinstance(g, torch.Generator) for g in seed):
            raise ConfigurationError(
                describe(
                    f"seed={seed!r}",
                    f"one generator for each of {count} runs",
                    "give a generator per run, or seeds alone",
                )
            )
        return cast(list[torch.Generator], list(seed))
    return [stream(s, INITIALISATION) for s in run_seeds(cast(Seeds, seed), runs)]
