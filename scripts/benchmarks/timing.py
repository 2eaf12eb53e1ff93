"""Contenders timed in turns, so that a noisy machine is noisy for all of them."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch


@dataclass(frozen=True)
class Row:
    """One contender on one piece of work.

    Attributes:
        work: what was computed.
        contender: by what.
        microseconds: median of the rounds, per unit of work.
        spread: half the distance between the quartiles, per unit of work.
        ratio: median of the rounds' quotients, this contender over the first.
    """

    work: str
    contender: str
    microseconds: float
    spread: float
    ratio: float

    def as_dict(self) -> dict[str, str | float]:
        return asdict(self)


def compete(
    work: str,
    contenders: dict[str, Callable[[], object]],
    units: dict[str, float] | float = 1.0,
    rounds: int = 7,
    at_least: float = 0.02,
) -> list[Row]:
    """Time every contender once a round, in turns forwards and backwards; the first is the reference.

    Args:
        work: the row's title.
        contenders: calls that do the same work.
        units: units of work that one call does (network steps, say), by contender or for all.
        rounds: timings of every contender; medians and quartiles are taken over them.
        at_least: seconds that one timing lasts at least; a call is repeated until then.
    """
    repeats = {name: _repeats(call, at_least) for name, call in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, call in list(contenders.items())[:: -1 if number % 2 else 1]:
            share = units if isinstance(units, int | float) else units[name]
            seconds[name].append(seconds_a_call(call, repeats[name]) / share)
    first = seconds[next(iter(contenders))]
    rows = []
    for name, found in seconds.items():
        low, _, high = statistics.quantiles(found, n=4)
        ratio = statistics.median(mine / theirs for mine, theirs in zip(found, first, strict=True))
        rows.append(Row(work, name, statistics.median(found) * 1e6, (high - low) / 2 * 1e6, ratio))
    return rows


def synchronise() -> None:
    """Wait for the device, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_a_call(call: Callable[[], object], repeats: int) -> float:
    """Mean over calls in a row, the device waited for at both ends."""
    synchronise()
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    synchronise()
    return (time.perf_counter() - began) / repeats


def _repeats(call: Callable[[], object], at_least: float) -> int:
    call()
    once = seconds_a_call(call, 1)
    return max(1, int(at_least / max(once, 1e-7)))
