"""The memory of one more run in a stack, against what the launcher plans with."""

import resource
from dataclasses import replace

from benchmarks import ledger, steps
from experiments.core.operations import has_compiler
from experiments.training.schedule import LONGEST_CHUNK
from experiments.training.train import train


def kibibytes_a_run(depth: int, width: int, runs: int = 2048) -> dict[str, float]:
    """KiB a run, measured and planned: the growth of the resident set over ``runs`` networks that train.

    Evaluation is included, which the plan leaves out; its pieces are no larger for more runs.

    Measure before anything large has been in memory: the system reports only the highest mark.
    """
    first = ledger.stack(1, depth, width, steps=1, every=None)
    compiled = "always" if has_compiler() else "never"
    # what is loaded once, the compiler included
    train(replace(first, settings=replace(first.settings, numba=compiled)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stack = ledger.stack(runs, depth, width, steps=2 * LONGEST_CHUNK, every=None)
    train(stack)
    measured = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / runs
    return {
        f"KiB a run at depth {depth}, width {width}": round(measured),
        "KiB a run planned with": round(stack.bytes_per_run(steps.BATCH) / 1024),
    }
