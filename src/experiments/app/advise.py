"""Advice on the command line: what to start from, how deep it can go, and does it hold?"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.app.self_check import Comparison, ShortRun
    from experiments.theory import StartingPoint
    from experiments.theory.advice import Advice
    from experiments.theory.kernel import LearningRates
    from experiments.training.stack import Stack

USAGE = """\
Advice for one network: initialiser, depth scale, learning rates; then a check on drawn networks.

usage: python scripts/advise.py [overrides]
  python scripts/advise.py activation=tanh model.depth=60 model.width=256 data=digits
  python scripts/advise.py activation=relu model.depth=20 loss=half_squared_error

Overrides are those of scripts/train.py: activation, model.depth, model.width, data, loss, seed, ...
Nothing is written. The theory, with its sources and its limits, is in docs/theory.md."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print advice for what the overrides describe.

    Returns:
        0. A setting that is refused leaves the process with one message and status 1.
    """
    overrides = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(overrides):
        print(USAGE)
        return 0
    import torch

    from experiments.app.compose import composed
    from experiments.app.refusal import one_message

    torch.set_num_threads(1)  # theory's tensors are small: sharing them out costs more than they do
    with one_message():
        config, choices = composed([*overrides, "probe=none", "logger=none"])
        stack = _stack(config, choices)
        for line in advice_lines(stack, choices):
            print(line, flush=True)
    return 0


def advice_lines(stack: "Stack", choices: Mapping[str, str | None]) -> Iterator[str]:
    """The whole answer, line by line as it becomes known."""
    from experiments.app.self_check import DRAWN, SHOWN, compare, short_runs
    from experiments.theory.advice import advise

    split = stack.dataset.load().train
    hidden = stack.widths[1:-1]
    advice = advise(
        stack.activation,
        len(hidden),
        hidden[0] if hidden else 1,
        stack.loss,
        split.x,
        split.t,
        stack.dataset.outputs,
    )
    shape = f"{len(hidden)} hidden layers of {hidden[0]}" if hidden else "no hidden layer"
    yield f"{choices['activation']}, {shape}, {choices['loss']}, {choices['data']}\n"
    yield from _as_set(stack, str(choices["initializer"]))
    yield from _advice(advice, len(hidden))
    yield "\ncommon initializers     factor a layer    6 xi_c"
    yield from (_common(row) for row in advice.common)
    rows = compare(stack, advice.initializer, split)
    if rows:
        yield f"\nat the start: {DRAWN} drawn networks, {min(SHOWN, len(split))} examples"
        yield f"{'':38}predicted   measured [95 % interval]"
        yield from (_comparison(row) for row in rows)
    runs = short_runs(stack, advice.initializer, advice.sgd)
    if runs:
        yield f"\na short run: gradient descent, {runs[0].steps} steps, loss on the training split"
        yield "learning rate   predicted               before      after"
        yield from (_short_run(run) for run in runs)


def _as_set(stack: "Stack", name: str) -> Iterator[str]:
    """What the initializer of the settings makes of this depth."""
    from experiments.initializers import Constant
    from experiments.theory import starting_points

    hidden, initializer = stack.widths[1:-1], stack.runs[0].initializer
    if not hidden:
        return
    if isinstance(initializer, Constant):
        yield f"as set           {name}: the units of a layer are alike and learn as one"
        return
    (start,) = starting_points({"": stack.activation}, {name: initializer}, hidden[0])
    enough = "enough" if len(hidden) <= start.trainable_depth else "too few"
    yield (
        f"as set           {name}: the gradient's norm changes by a factor {start.factor:.4g} a layer; "
        f"trainable to {_layers(start.trainable_depth)}, {enough} for {len(hidden)}"
    )


def _layers(depth: float) -> str:
    return f"about {depth:.4g} layers" if math.isfinite(depth) else "any depth"


def _advice(advice: "Advice", depth: int) -> Iterator[str]:
    sigma_w, sigma_b = advice.start.sigma_w, advice.start.sigma_b
    phase = "critical" if advice.critical else advice.start.point.phase
    yield f"start from       {advice.initializer}"
    if advice.critical:
        yield (
            "                 initializer=critical, that is initializer=gaussian "
            f"initializer.sigma_w={sigma_w:.6g} initializer.sigma_b={sigma_b:.6g}"
        )
    yield f"gradient         {phase}: its norm changes by a factor {advice.factor:.4g} a layer"
    yield (
        f"depth            trainable to {_layers(advice.trainable_depth)}: 6 xi_c, where "
        f"xi_c = {advice.depth_scale:.4g} is the depth over which the signal fades"
    )
    if advice.sigma_w_range is not None:
        low, high = advice.sigma_w_range
        yield f"                 {depth} layers are within 6 xi_c for sigma_w from {low:.4g} to {high:.4g}"
    yield (
        f"scatter          beta = {advice.beta:.3g} (variance over draws of ln |gradient|^2 at the "
        f"first layer); 1 at depth {advice.fluctuation_depth:.3g}"
    )
    if advice.optimal_depth is not None:
        yield f"                 depth that balances width, L* = r* n: {advice.optimal_depth:.3g}"
    yield f"learning rate    gradient descent: {_bounds(advice.sgd)}"
    yield (
        f"                 Adam: {advice.adam[0]:.2g} to {advice.adam[1]:.2g} (0.001 to 0.01 of a "
        "weight's RMS a step)"
    )
    yield from (f"note             {note}" for note in advice.notes)


def _bounds(rates: "LearningRates") -> str:
    if not math.isfinite(rates.safe):
        return "the loss has no positive curvature, so theory sets no bound"
    stable = f"stable to about {rates.safe:.2g}"
    if not math.isfinite(rates.limit):
        return f"{stable}; no direction is common to all examples, so theory sets no upper bound"
    return f"{stable}, unstable above about {rates.limit:.2g}"


def _common(row: "StartingPoint") -> str:
    grows = "   lengths grow without end" if row.point.diverges else ""
    return f"  {row.initializer:20}  {row.factor:>14.4g}  {row.trainable_depth:>8.4g}{grows}"


def _comparison(row: "Comparison") -> str:
    return f"  {row.quantity:36}{row.predicted:9.4g}   {row.measured}"


def _short_run(run: "ShortRun") -> str:
    after = f"{run.after:8.4g}" if math.isfinite(run.after) else "diverges"
    lost = f"  ({run.diverged} diverged)" if run.diverged else ""
    return f"  {run.lr:<14.3g}{run.expected:22}{run.before:8.4g}   {after}{lost}"


def _stack(config: Mapping[str, Any], choices: Mapping[str, str | None]) -> "Stack":
    """The objects, for a plain network of equal hidden widths.

    Raises:
        ConfigurationError: for skips, normalisation or unequal widths, which the advice is not about.
    """
    from experiments.app.build import stack_of
    from experiments.app.cells import cell_of
    from experiments.core.errors import ConfigurationError, describe

    stack = stack_of([cell_of(config, choices)])
    model = stack.model
    if model.skip or model.normalize or len(set(stack.widths[1:-1])) > 1:
        raise ConfigurationError(
            describe(
                f"model.skip={model.skip}, model.normalize={model.normalize}, model.hidden={model.hidden}",
                "a plain network of equal hidden widths",
                "leave model.skip, model.normalize and model.hidden at their defaults",
            )
        )
    stack.require_ready(len(stack.dataset.load().train))
    return stack


if __name__ == "__main__":
    sys.exit(main())
