"""Contract of a loss: a link, the cost of one example, and its delta at the output."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float, Num
from torch import Tensor, nn


class Loss(nn.Module, ABC):
    """A cost of the network's raw output z^[L], which the loss maps through its link.

    The normaliser is part of a loss's name, because it rescales the gradient. Everything accepts an
    optional leading run axis: outputs (batch, n_L) or (R, batch, n_L); targets without the run axis
    are shared by all runs.

    Targets ``t`` are class indices (integers, shape (batch,) or (R, batch)) or values (floats, the
    shape of the outputs, with or without the run axis).
    """

    #: "identity", "sigmoid" or "softmax": the map from z^[L] to the prediction
    link: str

    @abstractmethod
    def prediction(
        self, outputs: Float[Tensor, "*runs batch n_out"]
    ) -> Float[Tensor, "*runs batch n_out"]:
        """a^[L], the link applied to the raw outputs."""

    @abstractmethod
    def per_example(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Num[Tensor, "..."]
    ) -> Float[Tensor, "*runs batch"]:
        """C_d of every example; differentiable, with the hand-written delta as its gradient."""

    @abstractmethod
    def delta(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Num[Tensor, "..."]
    ) -> Float[Tensor, "*runs batch n_out"]:
        """delta^[L] = dC_d/dz^[L] in closed form, of ``per_example`` (no 1/batch)."""

    def correct(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Num[Tensor, "..."]
    ) -> Bool[Tensor, "*runs batch"]:
        """Whether each example is classified rightly.

        n_L > 1: the largest output is the target's class (the largest entry of a one-hot row).
        n_L = 1: the prediction lies on the target's side of 1/2.
        """
        if outputs.shape[-1] == 1:
            wanted = t[..., 0] if t.is_floating_point() else t
            return (self.prediction(outputs)[..., 0] > 0.5) == (wanted > 0.5)
        wanted = t.argmax(-1) if t.is_floating_point() else t
        return outputs.argmax(-1) == wanted

    def forward(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Num[Tensor, "..."]
    ) -> Float[Tensor, "*runs"]:
        """C, the mean of ``per_example`` over the batch; () or (R,)."""
        return self.per_example(outputs, t).mean(-1)
