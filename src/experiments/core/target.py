"""Targets: the forms that losses accept, and the two canonical forms that they compute with.

===========================  =================================  =============================
given                        shape                              canonical form
===========================  =================================  =============================
class indices (integers)     (batch,) or (R, batch)             int64, (*runs, batch, 1)
the same, one output         the same                           values, (..., batch, 1)
values (floats)              (batch, n_L) or (R, batch, n_L)    the outputs' dtype, same shape
values (integers, booleans)  (batch, n_L) or (R, batch, n_L)    the outputs' dtype, same shape
===========================  =================================  =============================

Targets without the run axis are shared by all runs. Nothing else is broadcast: a (batch,) float target
and (batch, 1) outputs would silently give a (batch, batch) residual.

Shapes and dtypes are checked at every call. On the CPU values are checked at every call, too, because this
is cheap (about 5 us for indices, a tenth to a third of the time of delta for rows that must sum to one).
They are not checked on an accelerator, where the program would wait for the device, nor inside a traced or
vmapped function, where there are no values. ``Loss.check_targets`` checks them on any device.
"""

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.branching import readable
from experiments.core.errors import ConfigurationError, describe

#: "value": any finite number; "share": each entry in [0, 1]; "distribution": each row also sums to
#: one; "class": each row has a single 1
TargetKind = Literal["value", "share", "distribution", "class"]


def canonical(
    outputs: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."], kind: TargetKind
) -> Tensor:
    """Check ``t`` against the outputs and bring it to the form of the table.

    Raises:
        ConfigurationError: for a target that is not a tensor, has a wrong shape or a complex dtype, requires
            a gradient (which it would silently not get), or has values that ``kind`` excludes.
    """
    if not isinstance(t, Tensor):
        raise ConfigurationError(
            describe(f"targets of type {type(t).__name__}", "a tensor", "give torch.as_tensor(t)")
        )
    if t.requires_grad:
        raise ConfigurationError(
            describe("targets that require a gradient", "constants", "pass t.detach()")
        )
    shape, integral = outputs.shape, not (t.is_floating_point() or t.is_complex())
    indices = integral and t.shape in (shape[:-1], shape[-2:-1])
    if t.is_complex() or not (indices or t.shape in (shape, shape[-2:])):
        raise ConfigurationError(
            describe(
                f"targets {t.dtype} of shape {tuple(t.shape)} for outputs of shape {tuple(shape)}",
                f"class indices of shape {tuple(shape[:-1])} or values of shape {tuple(shape)}, "
                "without the run axis if all runs share them",
                _remedy(t, shape),
            )
        )
    if indices and shape[-1] > 1:
        t = t.long()  # aminmax does not support every integer type
        if readable(t):
            if t.shape == shape[-2:]:
                _require_no_rows(t)
            check_values(t, shape[-1], kind)
        return t.unsqueeze(-1).expand(*shape[:-1], 1)
    values = (t.unsqueeze(-1) if indices else t).to(outputs.dtype)
    if kind != "value" and readable(t):
        # in the dtype of the targets: a float32 row sums to one only up to float32 rounding
        check_values(t if t.is_floating_point() else values, shape[-1], kind)
    return values


def _remedy(t: Shaped[Tensor, "..."], outputs: torch.Size) -> str:
    if not t.is_floating_point() or t.shape not in (outputs[:-1], outputs[-2:-1]):
        return "reshape the targets"
    if outputs[-1] == 1:
        return "add the axis of the one output: t.unsqueeze(-1)"
    return "give class indices as integers: t.long()"


def _require_no_rows(t: Shaped[Tensor, "R R"]) -> None:
    """Refuse integer targets (R, R) that may be class indices of every run or shared one-hot rows."""
    if bool(((t == 0) | (t == 1)).all() & (t.sum(-1) == 1).all()):
        raise ConfigurationError(
            describe(
                f"integer targets {tuple(t.shape)}, each row with a single 1, for as many runs, "
                "examples and outputs",
                "either class indices of every run or one-hot rows that all runs share",
                "give shared rows as t.float(), class indices as F.one_hot(t, n_L)",
            )
        )


def check_values(t: Shaped[Tensor, "..."], n_out: int, kind: TargetKind) -> None:
    """Check class indices (integers) or values (floats, last axis n_L).

    Raises:
        ConfigurationError: for an index outside 0 .. n_L - 1, a value that is not finite, a share outside
            [0, 1], a row that does not sum to one if ``kind`` is a distribution or class, or a soft row
            if ``kind`` is a class.
    """
    if t.numel() == 0:
        return
    low, high = (float(v) for v in t.aminmax())
    if not t.is_floating_point():
        if low < 0 or high >= n_out:
            raise ConfigurationError(
                describe(
                    f"class indices from {low:.0f} to {high:.0f}",
                    f"0 to {n_out - 1}, for {n_out} outputs",
                    "number the classes from 0, and give the network one output per class",
                )
            )
        return
    bottom, top = (float("-inf"), float("inf")) if kind == "value" else (0.0, 1.0)
    if not (bottom <= low and high <= top and high - low < float("inf")):
        raise ConfigurationError(
            describe(
                f"target values from {low:g} to {high:g}",
                "finite numbers" if kind == "value" else "shares in [0, 1]",
                "clean or scale the targets"
                + ("" if kind == "value" else ", or choose a squared error"),
            )
        )
    if kind in ("distribution", "class") and n_out > 1:
        worst = float((t.sum(-1) - 1).abs().max())
        # with at least the tolerance of float32, because float64 rows are often converted from it
        if worst > max(torch.finfo(t.dtype).eps, torch.finfo(torch.float32).eps) ** 0.5:
            raise ConfigurationError(
                describe(
                    f"target rows whose sum is off by up to {worst:g}",
                    "rows that sum to one, one-hot or soft",
                    "divide each row by its sum, or give class indices",
                )
            )
    if kind == "class" and bool(((t != 0) & (t != 1)).any()):
        raise ConfigurationError(
            describe(
                "soft target rows", "one class per example", "give class indices or one-hot rows"
            )
        )


def as_rows(t: Shaped[Tensor, "..."], like: Float[Tensor, "*runs batch n_out"]) -> Tensor:
    """Canonical targets as rows of values: indices become one-hot rows in the outputs' dtype."""
    return t if t.is_floating_point() else torch.zeros_like(like).scatter(-1, t, 1.0)
