"""Contract of a loss: a link, the cost of one example, and its delta at the output."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from experiments.core.branching import readable
from experiments.core.cost_function import cost_at, delta_at
from experiments.core.errors import ConfigurationError, describe
from experiments.core.link import apply_link
from experiments.core.target import TargetKind, canonical, check_values

#: accepted probability that logits look like probabilities by chance
BY_CHANCE = 1e-6


class Loss(nn.Module, ABC):
    """A cost of the network's raw output z^[L], which the loss maps through its link.

    The name of a loss tells whether it is a sum or a mean over the outputs, because that scales the
    gradient, and with it the best learning rate.

    All methods accept an optional leading run axis: outputs (batch, n_L) or (R, batch, n_L). Targets
    without the run axis are shared by all runs.

    Targets ``t`` are class indices (integers, shape (batch,) or (R, batch)) or values (floats, the
    shape of the outputs, with or without the run axis); ``experiments.core.target`` has the table.
    With one output an integer target is the value itself, 0 or 1.

    A subclass implements its formulas for canonical targets: ``terms`` (intermediate results), ``cost``,
    ``slope`` (delta in closed form) and ``hessian_product`` (the Hessian times a vector).

    Half-precision outputs are computed in float32: the cost is returned in float32, delta in the type
    of the outputs.

    Args:
        link: the map from z^[L] to the prediction, one of the class's ``links``.

    Raises:
        ConfigurationError: for a link that is not defined for this cost.
    """

    #: the links for which the cost is defined
    links: ClassVar[tuple[str, ...]]
    #: the target values for which the cost is defined
    target_kind: TargetKind
    #: "identity", "sigmoid" or "softmax": the map from z^[L] to the prediction
    link: str

    def __init__(self, link: str) -> None:
        super().__init__()
        if link not in self.links:
            raise ConfigurationError(
                describe(
                    f"link={link!r} for {type(self).__name__}",
                    " or ".join(repr(name) for name in self.links),
                    "choose one of these, or another loss",
                )
            )
        self.link = link

    @abstractmethod
    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Any:
        """The intermediate results that ``cost`` and ``slope`` share."""

    @abstractmethod
    def cost(self, terms: Any) -> Float[Tensor, "*runs batch"]:
        """C_d, computed from the terms."""

    @abstractmethod
    def slope(self, terms: Any) -> Float[Tensor, "*runs batch n_out"]:
        """delta^[L] = dC_d/dz^[L], computed from the terms."""

    @abstractmethod
    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        """H v for every example, with H = d^2 C_d / dz^2."""

    @abstractmethod
    def bounds(self, n_out: int) -> tuple[float, float]:
        """Infimum and supremum of C_d over all outputs, for a target that is a class (0 or 1)."""

    def prediction(
        self, outputs: Float[Tensor, "*runs batch n_out"]
    ) -> Float[Tensor, "*runs batch n_out"]:
        """a^[L], the link applied to the raw outputs: probabilities unless the link is identity."""
        return apply_link(self.link, outputs).a

    def per_example(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]
    ) -> Float[Tensor, "*runs batch"]:
        """C_d of every example; differentiable, with the hand-written delta as its gradient.

        Raises:
            ConfigurationError: for outputs or targets that do not fit (``experiments.core.target``).
        """
        z, t = self._checked(outputs, t)
        return cost_at(z, t, self)

    def delta(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]
    ) -> Float[Tensor, "*runs batch n_out"]:
        """delta^[L] = dC_d/dz^[L] in closed form, of ``per_example`` (no 1/batch); differentiable."""
        z, t = self._checked(outputs, t)
        return delta_at(z, t, self).to(outputs.dtype)

    def per_example_and_delta(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]
    ) -> tuple[Float[Tensor, "*runs batch"], Float[Tensor, "*runs batch n_out"]]:
        """``per_example`` and ``delta`` from the same ``terms``; not differentiable."""
        with torch.no_grad():
            z, t = self._checked(outputs, t)
            terms = self.terms(z, t)
            return self.cost(terms), self.slope(terms).to(outputs.dtype)

    def hessian(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]
    ) -> Float[Tensor, "*runs batch n_out n_out"]:
        """d^2 C_d / dz^2 for every example, in closed form, column by column."""
        z, t = self._checked(outputs, t)
        columns = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
        return torch.stack([self.hessian_product(z, t, v.expand_as(z)) for v in columns], dim=-1)

    def check_targets(self, t: Shaped[Tensor, "examples *n_out"], n_out: int) -> None:
        """Check all targets of a data set once, including their values, on any device.

        Args:
            t: class indices (examples,), or values (examples, n_L).
            n_out: the network's number of outputs n_L.

        Raises:
            ConfigurationError: for targets that the loss would refuse, and for values that it does not
                check at every step.
        """
        outputs = torch.zeros((1, n_out), device=t.device).expand(t.shape[0], n_out)
        z, canonical_t = self._checked(outputs, t)
        values = canonical_t if canonical_t.is_floating_point() else canonical_t[..., 0]
        check_values(values, z.shape[-1], self.target_kind)

    def check_outputs(self, outputs: Float[Tensor, "*runs batch n_out"]) -> None:
        """Refuse probabilities where a softmax link expects logits; ``forward`` calls this every time.

        Probabilities are recognised by their values: all entries strictly between 0 and 1 and not all
        equal, every row with sum 1 up to rounding, and enough rows that logits would look like this by
        chance in less than one call in a million (one row in float64, two in float32, four in bfloat16).
        Two cases are not detected: the output of a sigmoid, which looks like small logits, and outputs
        on an accelerator, because reading them would wait for the device.

        Raises:
            ConfigurationError: if the outputs are probabilities: the link would be applied a second time,
                and no prediction could come close to 0 or 1.
        """
        if self.link != "softmax" or not readable(outputs):
            return
        z = outputs.detach()
        if z.numel() == 0 or not z.is_floating_point():
            return
        # a softmax in half precision is computed in float32, like this sum, and rounded once
        wide = torch.promote_types(z.dtype, torch.float32)
        rounding = torch.finfo(z.dtype).eps + 4 * z.shape[-1] * torch.finfo(wide).eps
        if (2 * rounding) ** z.shape[:-1].numel() > BY_CHANCE:
            return
        low, high = (float(v) for v in z.aminmax())
        if 0 < low < high < 1 and float((z.sum(-1, dtype=wide) - 1).abs().max()) <= rounding:
            raise ConfigurationError(
                describe(
                    f"outputs between {low:g} and {high:g} whose rows sum to one",
                    "raw outputs (logits)",
                    "leave the softmax out of the network: the loss applies its link",
                )
            )

    def correct(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]
    ) -> Bool[Tensor, "*runs batch"]:
        """Whether each example is classified correctly.

        n_L > 1: the largest output is the target's class (the largest entry of a one-hot row).
        n_L = 1: prediction and target are on the same side of 1/2.
        An output that contains NaN is never correct.
        """
        z, t = self._checked(outputs, t)
        if z.shape[-1] == 1:
            prediction = self.prediction(z)
            return (((prediction > 0.5) == (t > 0.5)) & ~prediction.isnan()).squeeze(-1)
        largest, predicted = z.max(-1)
        target = t.argmax(-1) if t.is_floating_point() else t.squeeze(-1)
        return (predicted == target) & ~largest.isnan()

    def forward(
        self, outputs: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]
    ) -> Float[Tensor, "*runs"]:
        """C, the mean of ``per_example`` over the batch; () or (R,)."""
        self.check_outputs(outputs)
        return self.per_example(outputs, t).mean(-1)

    def extra_repr(self) -> str:
        """The constructor's arguments, as ``print`` shows them."""
        facts = ("training", "target_kind")
        return ", ".join(
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if name not in facts and not name.startswith("_")
        )

    def _checked(self, outputs: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        if not isinstance(outputs, Tensor):
            found = f"outputs of type {type(outputs).__name__}"
            raise ConfigurationError(describe(found, "a tensor", "give torch.as_tensor(outputs)"))
        if outputs.ndim < 2 or not outputs.is_floating_point():
            raise ConfigurationError(
                describe(
                    f"outputs {outputs.dtype} of shape {tuple(outputs.shape)}",
                    "floats of shape (batch, n_L) or (R, batch, n_L)",
                    "add the batch axis with outputs.unsqueeze(0)"
                    if outputs.is_floating_point()
                    else "give the net's own outputs, or outputs.float()",
                )
            )
        if outputs.shape[-1] == 1 and (self.link == "softmax" or self.target_kind == "class"):
            raise ConfigurationError(
                describe(
                    f"one output for {type(self).__name__}(link={self.link!r})",
                    "at least two outputs, one for each class",
                    "give the network two outputs, or use a loss of values such as BinaryCrossEntropy",
                )
            )
        z = outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs
        return z, canonical(z, t, self.target_kind)
