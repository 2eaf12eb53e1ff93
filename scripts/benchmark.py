"""How fast is this laboratory? Contenders for the same work, timed in turns in one process.

    python scripts/benchmark.py                 all rows on the CPU, one thread, about 15 minutes
    python scripts/benchmark.py --quick         fewer sizes, about two minutes
    python scripts/benchmark.py --only watch    one part of the rows, in a table of its own
    python scripts/benchmark.py --device cuda   the rows for a GPU

Writes a table, a figure and the results as JSON into --out. On a GPU it also writes the kernels of one
step of 4,096 networks, with the time of each.
"""

import argparse
import json
import os
import platform
from datetime import date
from pathlib import Path


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where to train")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/benchmark"),
        help="folder for table, figure and results; default: docs/benchmark",
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes, about two minutes")
    parser.add_argument("--only", help="one part: elementary, layers, passes, steps, sweeps, ...")
    arguments = parser.parse_args()

    # before JAX is imported: one thread for it too
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import torch
    from benchmarks.memory import kibibytes_a_run
    from benchmarks.profiled import account
    from benchmarks.rows import PARTS, cpu_rows, gpu_rows
    from benchmarks.steps import stacked
    from benchmarks.write import write

    only = arguments.only
    if only is not None and (only not in PARTS or arguments.device == "cuda"):
        found = f"found --only {only} with --device {arguments.device}"
        parser.error(f"{found}; expected one of {', '.join(PARTS)}, with --device cpu")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    whole = arguments.device == "cpu" and only is None
    memory = kibibytes_a_run(4, 32) if whole else {}  # first: see there
    rows = gpu_rows() if arguments.device == "cuda" else cpu_rows(arguments.quick, only)
    machine = {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "threads": 1,
        **memory,
    }
    name = arguments.device if only is None else f"{arguments.device}_{only}"
    table = write(arguments.out, name, rows, machine, drawn=only is None)
    if arguments.device == "cuda":
        step = stacked(4096, 10, 32, "cuda", engine="graph")
        (arguments.out / "profile_cuda.md").write_text(account(step, "cuda"))
    print(json.dumps(machine))
    print(table)


if __name__ == "__main__":
    main()
