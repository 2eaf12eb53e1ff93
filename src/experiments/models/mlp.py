"""MLP: a fully-connected network, or a stack of R of them computed at once."""

from collections.abc import Iterable, Sequence
from typing import SupportsIndex

from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from experiments.activations import Identity
from experiments.core.activation import Activation
from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.core.seeding import INITIALISATION, Seeds, run_seeds, stream
from experiments.core.whole import whole
from experiments.layers import Dense, LayerRecord

_REMEDY = (
    "use one of experiments.activations (those of torch.nn have no .derivative), such as Tanh()"
)


class MLP(nn.Module):
    """a^[1] = x; z^[l] = W^[l] a^[l-1] + b^[l]; a^[l] = sigma_l(z^[l]) for l = 2 .. L.

    Args:
        widths: (n_1, ..., n_L), input first; two entries make a linear model (depth 0).
        activation: sigma of every hidden layer, or a list with one per hidden layer.
        initializer: how the parameters are drawn; one for all runs, or a list with one per run.
        output_activation: sigma_L; None is the identity, because the loss applies its own link.
        runs: None for one network; R adds a leading axis R to every parameter and output.
        seed: one seed per run, or a single s, which stands for s, ..., s + R - 1.
        skip: add a^[l-1] to a^[l] in every hidden layer that is as wide as the layer below
            (identity connections; He et al. 2016).
        normalize: standardise z over the neurons of each example in hidden layers (layer
            normalisation without gain and bias; Ba et al. 2016).

    Raises:
        ConfigurationError: for fewer than two widths, a width below 1, a list of activations whose
            length is not the number of hidden layers, or an argument of the wrong type.

    Example:
        >>> import torch
        >>> from experiments.activations import Tanh
        >>> from experiments.initializers import Glorot
        >>> net = MLP(widths=(2, 3, 3, 1), activation=Tanh(), initializer=Glorot(), seed=0)
        >>> net(torch.zeros(5, 2)).shape, net.depth, net.num_layers
        (torch.Size([5, 1]), 2, 4)
        >>> stack = MLP((2, 3, 3, 1), Tanh(), Glorot(), runs=4, seed=0)
        >>> bool((stack.weights[1][0] == net.weights[1]).all())
        True
    """

    def __init__(
        self,
        widths: Sequence[int] | ndarray,
        activation: Activation | Sequence[Activation],
        initializer: Initializer | Sequence[Initializer],
        output_activation: Activation | None = None,
        runs: SupportsIndex | None = None,
        seed: Seeds = 0,
        skip: bool = False,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        listed = widths if isinstance(widths, Iterable) else ()
        self.widths = tuple(whole(f"widths[{k}]", n, 1) for k, n in enumerate(listed))
        if len(self.widths) < 2:
            raise ConfigurationError(
                describe(
                    f"widths={widths!r}",
                    "at least (n_1, n_L)",
                    "give the width of the input and of the output, hidden layers in between",
                )
            )
        self.runs = None if runs is None else whole("runs", runs, 1)
        self.skip = skip
        self.normalize = normalize
        self.seeds = run_seeds(seed, runs)
        sigmas = [*self._hidden_activations(activation), _output_activation(output_activation)]
        generators = [stream(s, INITIALISATION) for s in self.seeds]
        self.layers = nn.ModuleList(
            Dense(
                n_prev,
                n,
                sigma,
                initializer,
                runs=runs,
                seed=generators,
                normalize=normalize and k < self.depth,
            )
            for k, (n_prev, n, sigma) in enumerate(
                zip(self.widths[:-1], self.widths[1:], sigmas, strict=True)
            )
        )

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.widths) - 2

    @property
    def num_layers(self) -> int:
        """L in the notes, which count the input as a layer: depth + 2."""
        return len(self.widths)

    @property
    def plain(self) -> bool:
        """Whether every layer is a = sigma(W a_prev + b), without skips and normalisation."""
        return not (self.skip or self.normalize)

    @property
    def weights(self) -> list[Tensor]:
        """W^[2] .. W^[L], each (n_l, n_{l-1}) or (R, n_l, n_{l-1})."""
        return [layer.weight for layer in self.dense_layers]

    @property
    def biases(self) -> list[Tensor]:
        """b^[2] .. b^[L], each (n_l,) or (R, n_l)."""
        return [layer.bias for layer in self.dense_layers]

    @property
    def activations(self) -> list[Activation]:
        """sigma_2 .. sigma_L, one per layer with weights; the last is the output activation."""
        return [layer.activation for layer in self.dense_layers]

    @property
    def dense_layers(self) -> list[Dense]:
        """The layers with weights, from the first to the output."""
        return [layer for layer in self.layers if isinstance(layer, Dense)]

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*runs_batch n_out"]:
        """The raw output: (batch, n_1) -> (batch, n_L), with runs (R, batch, n_L).

        Args:
            x: (batch, n_1), shared by all runs of a stack, or (R, batch, n_1).

        Raises:
            ValueError: if the length of the last axis is not n_1, or that of a run axis not R.
        """
        return self._pass(x, None)

    def skips(self, layer: int) -> bool:
        """Whether the input of a layer (0 is the first) is added to its output."""
        same = self.widths[layer] == self.widths[layer + 1]
        return self.skip and layer < self.depth and same

    def recorded_forward(
        self, x: Float[Tensor, "*batch n_in"]
    ) -> tuple[Float[Tensor, "*runs_batch n_out"], list[LayerRecord]]:
        """The raw output, and one record per layer; the backward pass adds delta to the records.

        There are no hooks: each layer fills its own record. Not for use inside torch.func transforms,
        because the tensors inside a transform must not outlive it.
        """
        records = [LayerRecord() for _ in self.layers]
        return self._pass(x, records), records

    def _pass(self, x: Tensor, records: list[LayerRecord] | None) -> Tensor:
        a = x
        for k, layer in enumerate(self.dense_layers):
            below = a
            _, a = layer.trace(a, None if records is None else records[k])
            if self.skips(k):
                a = a + below
        return a

    def _hidden_activations(
        self, activation: Activation | Sequence[Activation]
    ) -> list[Activation]:
        if isinstance(activation, Activation):
            return [activation] * self.depth
        is_list = isinstance(activation, Sequence) and not isinstance(activation, str)
        if not is_list or not all(isinstance(sigma, Activation) for sigma in activation):
            raise ConfigurationError(
                describe(
                    f"activation={activation!r}",
                    "an Activation, or a list with one for each hidden layer",
                    _REMEDY,
                )
            )
        if len(activation) != self.depth:
            raise ConfigurationError(
                describe(
                    f"{len(activation)} activations",
                    f"one, or {self.depth}: one per hidden layer of widths={self.widths}",
                    "give the activation of the output as output_activation",
                )
            )
        return list(activation)


def _output_activation(activation: object) -> Activation:
    """The activation of the output layer; None is the identity."""
    if activation is None:
        return Identity()
    if not isinstance(activation, Activation):
        raise ConfigurationError(
            describe(f"output_activation={activation!r}", "an Activation, or None", _REMEDY)
        )
    return activation
