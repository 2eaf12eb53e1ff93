"""The memory of one more run in a stack, against what the launcher plans with."""

import resource

from benchmarks import ledger, steps


def kibibytes_a_run(depth: int, width: int, runs: int = 2048) -> dict[str, float]:
    """KiB a run, measured and planned: the growth of the resident set over ``runs`` networks that train.

    Measure before anything large has been in memory: the system reports only the highest mark.
    """
    steps.stacked(1, depth, width)()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = steps.stacked(runs, depth, width)
    step()
    measured = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / runs
    one = ledger.stack(1, depth, width, steps=1, every=None)
    return {
        f"KiB a run at depth {depth}, width {width}": round(measured),
        "KiB a run planned with": round(one.bytes_per_run(steps.BATCH) / 1024),
    }
