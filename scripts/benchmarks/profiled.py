"""What bounds a step: the time in the device's kernels against the time by the clock."""

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.steps import Step
from benchmarks.timing import seconds_a_call, synchronise

#: kernels that are listed
SHOWN = 12


def account(step: Step, device: str, repeats: int = 20) -> str:
    """A table of the kernels of one step, longest first, and the share of the time that they fill.

    With a share near 1 the device computes all the time; the rest of the time it waits for work.

    Args:
        step: what is profiled.
        device: "cuda"; anything else lists the CPU's operators, for trying this out.
        repeats: steps that are counted.
    """
    on_gpu = device == "cuda"
    seconds_a_call(step, 3)  # captured and warm
    wall = seconds_a_call(step, repeats) * 1e6
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as seen:
        for _ in range(repeats):
            step()
        synchronise()
    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    found = sorted(
        (
            (event.self_device_time_total if on_gpu else event.self_cpu_time_total, event)
            for event in seen.key_averages()
            if event.device_type == kind
        ),
        key=lambda pair: -pair[0],
    )
    busy = sum(microseconds for microseconds, _ in found) / repeats
    lines = [
        f"One step takes {wall:.0f} us by the clock; its kernels fill {busy:.0f} us of it "
        f"({busy / wall:.0%}).\n",
        "| kernel | a step | us a step | share of the kernels |",
        "|---|---:|---:|---:|",
    ]
    for microseconds, event in found[:SHOWN]:
        mine = microseconds / repeats
        calls = event.count / repeats
        lines.append(f"| `{event.key[:80]}` | {calls:g} | {mine:.1f} | {mine / busy:.0%} |")
    return "\n".join(lines) + "\n"
