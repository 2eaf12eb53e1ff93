"""Train a sweep or a study on every GPU of this host, each with its share of the cells.

    python scripts/train_all_gpus.py study=vanishing_gradient size=full
    python scripts/train_all_gpus.py --devices 0,2 -m seed='range(0,1000)'
    python scripts/train_all_gpus.py --devices cpu,cpu study=vanishing_gradient     two CPU processes

All other arguments are those of scripts/train.py; trainer.precision and trainer.deterministic set
precision and determinism. A cell's identity decides which process trains it, so the processes need not
talk to each other, and the same command continues a run that was cut short.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: the shells' status of a program that was interrupted
STOPPED = 130


def main() -> int:
    """Start one process a device and wait for all.

    Returns:
        1 if a cell or a process has failed, 130 after Ctrl-C, which reaches every process, else 0.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--devices",
        help="comma-separated GPU numbers, or cpu; default: every GPU. Where CUDA_VISIBLE_DEVICES is "
        "set, as schedulers do, the numbers count its entries",
    )
    arguments, overrides = parser.parse_known_args()
    devices = _named(arguments.devices.split(",")) if arguments.devices else _gpus()
    processes = []
    for share, device in enumerate(devices):
        place = (
            ["trainer.accelerator=cpu", "hydra.launcher.workers=1"]
            if device == "cpu"
            else ["trainer.accelerator=gpu"]
        )
        command = [
            sys.executable,
            str(HERE / "train.py"),
            *overrides,
            "hydra/launcher=stacked",
            f"hydra.launcher.share={share}",
            f"hydra.launcher.shares={len(devices)}",
            *place,
        ]
        visible = {} if device == "cpu" else {"CUDA_VISIBLE_DEVICES": device}
        processes.append(subprocess.Popen(command, env=os.environ | visible))
    try:
        codes = [process.wait() for process in processes]
    except KeyboardInterrupt:
        for process in processes:
            process.wait()
        return STOPPED
    return int(any(codes))  # a process that was killed has a negative one


def _gpus() -> list[str]:
    import torch  # after --help

    count = torch.cuda.device_count()
    if count == 0:
        sys.exit(
            "Error: found no CUDA device; expected at least one; install a CUDA build of torch and "
            "check nvidia-smi, or name devices, for instance --devices cpu,cpu"
        )
    # not the first ``count`` entries: of several MIG instances a process sees one
    return _inherited() or [str(number) for number in range(count)]


def _named(devices: list[str]) -> list[str]:
    """What the process of each device that the user names is to see."""
    inherited = _inherited()
    if inherited is None:
        return devices
    known = {"cpu": "cpu"} | {str(number): entry for number, entry in enumerate(inherited)}
    for device in devices:
        if device not in known:
            sys.exit(
                f"Error: found --devices {device} and CUDA_VISIBLE_DEVICES={','.join(inherited)}; "
                f"expected one of {', '.join(known)}, which count its entries; name those, or unset it"
            )
    return [known[device] for device in devices]


def _inherited() -> list[str] | None:
    """The entries of CUDA_VISIBLE_DEVICES (numbers, names of GPUs or of MIG instances), if it is set."""
    entries = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if entries is None else [entry.strip() for entry in entries.split(",") if entry]


if __name__ == "__main__":
    sys.exit(main())
