"""Is there a best number of layers? At equal width and at equal parameter count, each depth at its best rate.

Depth is compared fairly: every depth has the learning rate that suits it, chosen by validation loss; its
seeds are the same as every other depth's; what is reported is the test loss, which chose nothing. Two
prices: all depths as wide as each other (deeper costs more), or all with the same number of parameters
(deeper is narrower). The answer is a set: the depths that are not certainly worse than the best.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame, Series

from experiments.core.errors import ConfigurationError
from experiments.core.interval import Interval
from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.intervals import mean_interval
from experiments.reporting.summary import bounds
from experiments.studies.best_figures import figures
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.ladder import Ladder, ladders_of, mean_difference
from experiments.studies.reading.network import widths_of
from experiments.studies.reading.rooms import activation_of
from experiments.studies.reading.tuning import CHOSEN_BY
from experiments.studies.reading.verdicts import NOTHING, decided, listed, over, unanswered
from experiments.theory import finite_width

#: the claim: no more hidden layers than this are needed
FEW = 5
#: the claim: of two networks one is as good if its test loss is at most this share higher
TIE = 0.1


@final
class BestDepth(Study):
    """Depth x price x activation x initialiser x learning rate x seed."""

    question: ClassVar[str] = "Is there a best number of layers, and what moves it?"
    claim: ClassVar[str] = (
        f"A few layers are enough: at every price the best depth up to {FEW} has at most {TIE:.0%} more "
        "test loss than the best deeper one. At equal parameter count, where deeper is narrower, the "
        "deepest network measured is certainly worse than the best. What depth costs is decided by how "
        "well the gradient travels: the deepest sigmoid network loses more to its best than tanh's."
    )
    refuted_by: ClassVar[str] = (
        f"An activation and initialiser whose best depth up to {FEW} certainly has more than {TIE:.0%} "
        "more test loss than its best deeper one; at equal parameter count, a deepest network that is "
        "certainly as good as the best; a tanh network that certainly loses more by depth than sigmoid's."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        ladders = ladders_of(rows)
        judged = [ladder for ladder in ladders if ladder.best is not None]
        if not judged:
            return unanswered(
                "No cell has a finite validation loss, so no depth can be called best."
            )
        verdicts = []
        for price, mine in grouped(judged, lambda ladder: ladder.price).items():
            verdicts += [_best(price, mine), _few(price, mine), *_deepest(price, mine)]
        verdicts += [*_travel(judged), *_starts(judged), *_gain(judged), *_edges(judged)]
        return Findings(tuple(verdicts), (_answers(ladders), _rungs(ladders)), figures(judged))


# -- verdicts --------------------------------------------------------------------------------------


def _best(price: str, mine: Sequence[Ladder]) -> Verdict:
    """The best depth of every family at one price, and the depths that are not certainly worse."""
    parts = "; ".join(f"{ladder.label} {ladder.best}{_ties(ladder)}" for ladder in mine)
    sentence = f"At {price} the best number of hidden layers is: {parts}."
    return Verdict(sentence, "measured")


def _ties(ladder: Ladder) -> str:
    others = [str(depth) for depth in ladder.tied if depth != ladder.best]
    return f" (not told apart: {listed(others, most=9)})" if others else " (alone)"


def _few(price: str, mine: Sequence[Ladder]) -> Verdict:
    """Whether a few layers are enough: the best depth up to FEW against the best deeper one."""
    parts: list[str] = []
    known: list[bool | None] = []
    for ladder in mine:
        few = ladder.best_of([depth for depth in ladder.depths if depth <= FEW])
        more = ladder.best_of([depth for depth in ladder.depths if depth > FEW])
        if few is None or more is None:
            known.append(None)
            continue
        gap = ladder.gap(few, more)
        parts.append(f"{ladder.label} {gap}")
        known.append(gap.within(-np.inf, _tie(ladder, more)))
    if not parts:
        sentence = f"At {price} there are no depths on both sides of {FEW} to compare."
        return Verdict(sentence, "undecided")
    sentence = (
        f"At {price} the best depth up to {FEW} exceeds the best deeper one in test loss by: "
        f"{'; '.join(parts)} (up to {TIE:.0%} counts as a tie)."
    )
    return Verdict(sentence, decided(*known))


def _deepest(price: str, mine: Sequence[Ladder]) -> list[Verdict]:
    """Whether the deepest network, which is the narrowest, is worse than the best."""
    if price.startswith("equal width"):
        return []
    parts: list[str] = []
    known: list[bool | None] = []
    for ladder in mine:
        cost = ladder.worse(max(ladder.depths))
        parts.append(f"{ladder.label} {cost}")
        tie = 0.0 if ladder.best is None else _tie(ladder, ladder.best)
        known.append(_exceeds(cost, tie) if max(ladder.depths) > FEW else None)
    sentence = (
        f"At {price} the deepest network exceeds the best in test loss by: {'; '.join(parts)}."
    )
    return [Verdict(sentence, decided(*known))]


def _exceeds(cost: Interval, tie: float = 0.0) -> bool | None:
    """Whether all of an interval is above 0 (True), or none of it above ``tie`` (False)."""
    if not cost.decides:
        return None
    return True if cost.low > 0 else False if cost.high <= tie else None


def _tie(ladder: Ladder, depth: int) -> float:
    return TIE * mean_interval(ladder.test(depth)).value


def _travel(ladders: Sequence[Ladder]) -> list[Verdict]:
    """How much more the deepest network loses to its best with sigmoid than with tanh, start by start."""
    parts: list[str] = []
    known: list[bool | None] = []
    for ladder in (ladder for ladder in ladders if ladder.activation == "sigmoid"):
        other = _counterpart(ladder, ladders, "tanh", ladder.start)
        if other is None:
            continue
        place = f"{ladder.start} · {ladder.price.split(' (')[0]}"
        more = mean_difference(_cost_of_depth(ladder), _cost_of_depth(other))
        parts.append(f"{more} ({place})")
        known.append(_exceeds(more))
    if not parts:
        return []
    sentence = (
        "By so much more test loss does the deepest network exceed its best with sigmoid than with "
        f"tanh: {listed(parts, most=8)}"
    )
    return [Verdict(sentence + ".", decided(*known))]


def _cost_of_depth(ladder: Ladder) -> Series:
    """Test loss of the deepest network minus that of the best, by seed."""
    best = max(ladder.depths) if ladder.best is None else ladder.best
    cost: Series = ladder.by_seed(max(ladder.depths)) - ladder.by_seed(best)
    return cost


def _counterpart(
    ladder: Ladder, ladders: Sequence[Ladder], activation: str, start: str
) -> Ladder | None:
    """The ladder of that activation and start at the same price."""
    wanted = (activation, start, ladder.price)
    return next((x for x in ladders if (x.activation, x.start, x.price) == wanted), None)


def _starts(ladders: Sequence[Ladder]) -> list[Verdict]:
    """What a critical start changes: the best depth, and the loss of the deepest network."""
    parts: dict[str, list[str]] = {}
    for ladder in ladders:
        initializer, *further = ladder.start.split(" · ")
        if initializer != "critical":
            continue
        other = _counterpart(ladder, ladders, ladder.activation, " · ".join(["glorot", *further]))
        if other is None:
            continue
        place = " · ".join([ladder.activation, *further])
        deepest = max(ladder.depths)
        ends = [mean_interval(x.test(deepest)).value for x in (other, ladder)]
        parts.setdefault(ladder.price, []).append(
            f"{place} {other.best} → {ladder.best} "
            f"(loss at depth {deepest}: {ends[0]:.2g} → {ends[1]:.2g})"
        )
    return [
        Verdict(
            f"Glorot's → a critical start, at {price}, best depth: {'; '.join(mine)}.",
            "measured",
        )
        for price, mine in parts.items()
    ]


def _gain(ladders: Sequence[Ladder]) -> list[Verdict]:
    """What depth buys: the best network of all by validation loss, and what other depths of it lose."""
    scores = {
        k: mean_interval(ladder.rungs[ladder.best].at_best(CHOSEN_BY)).value
        for k, ladder in enumerate(ladders)
        if ladder.best is not None
    }
    scores = {k: score for k, score in scores.items() if np.isfinite(score)}
    if not scores:
        return []
    ladder = ladders[min(scores, key=lambda k: scores[k])]
    best = ladder.best or 0
    sentence = (
        f"The least validation loss of all has {ladder.label} at {ladder.price} with {best} hidden "
        f"layer{'' if best == 1 else 's'}: test loss {mean_interval(ladder.test(best))}, accuracy "
        f"{mean_interval(ladder.rungs[best].at_best('test/accuracy'))}"
    )
    for depth, which in ((min(ladder.depths), "fewest"), (max(ladder.depths), "most")):
        if depth != best:
            sentence += f"; with the {which}, {depth}, the loss is {ladder.worse(depth)} higher"
    return [Verdict(sentence + ".", "measured")]


def _edges(ladders: Sequence[Ladder]) -> list[Verdict]:
    """Where the best rate is the last one tried: a better one may lie beyond."""
    total = sum(len(ladder.rungs) for ladder in ladders)
    edges = [
        f"{ladder.label}, depth {depth} ({rung.edge} rate {rung.rate:g})"
        for ladder in ladders
        for depth, rung in ladder.rungs.items()
        if rung.edge and depth in ladder.tied
    ]
    if not edges:
        return []
    sentence = (
        f"Of {total} tuned depths {len(edges)} among the best have their rate at an edge of the grid, "
        f"so a better one may lie beyond: {listed(edges, most=4)}"
    )
    return [Verdict(sentence + ".", "measured")]


# -- tables ----------------------------------------------------------------------------------------


def _answers(ladders: Sequence[Ladder]) -> Table:
    rows = []
    for ladder in ladders:
        best = ladder.best
        loss = mean_interval(np.empty(0) if best is None else ladder.test(best))
        rows.append({
            "networks": ladder.label, "price": ladder.price,
            "best depth": "none" if best is None else best,
            "not told apart": listed([str(d) for d in ladder.tied], most=12) or "–",
            "test loss": loss.value, "95 %": bounds(loss),
            "rate": "–" if best is None else ladder.rungs[best].written_rate,
            "theory's L*": _theory(ladder),
        })  # fmt: skip
    caption = (
        "Best depth: the least mean validation loss, each depth at its best learning rate. Not told "
        "apart: test loss less that of the best, paired by seed, has a 95 % interval that reaches 0 or "
        "lies below it (the best by validation need not be the best by test). "
        "Theory's L*: the depth at which fluctuations balance what depth gains (Roberts, Yaida & Hanin), "
        "for a critical network of the best one's width; an order of magnitude."
    )
    return Table("The best depth", caption, DataFrame(rows))


def _theory(ladder: Ladder) -> str:
    if ladder.best is None:
        return "–"
    row = ladder.rungs[ladder.best].rows.iloc[0].to_dict()
    try:
        widths = widths_of(row)
        nu = finite_width.fluctuation_rate(activation_of(row))
    except ConfigurationError:
        return "not known"
    if len(widths) < 3:
        return "–"
    return f"{widths[1] * finite_width.optimal_aspect_ratio(widths[-1], nu):.2g}"


def _rungs(ladders: Sequence[Ladder]) -> Table:
    rows = []
    for ladder in ladders:
        for depth, rung in ladder.rungs.items():
            losses = {
                part: mean_interval(rung.at_best(f"{part}/loss"))
                for part in ("train", "val", "test")
            }
            gap = ladder.worse(depth)
            rows.append({
                "networks": ladder.label, "price": ladder.price, "depth": depth,
                "test loss": losses["test"].value, "over the best": gap.value, "95 %": bounds(gap),
                "accuracy": mean_interval(rung.at_best("test/accuracy")).value,
                "rate": rung.written_rate, "edge": rung.edge or "–",
                "validation loss": losses["val"].value, "95 % ": bounds(losses["val"]),
                "training loss": losses["train"].value, "seeds": len(rung.rows),
            })  # fmt: skip
    caption = (
        "Every depth at its best learning rate. Over the best: test loss less that of the best depth, "
        "paired by seed. Accuracy: on the test part. Edge: the best rate is the last one tried there."
    )
    return Table("Every depth", caption, DataFrame(rows))
