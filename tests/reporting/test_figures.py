"""Figures: reproducible bytes, nothing dropped in silence, readable on any page."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from experiments.core.study import Figure
from experiments.reporting.figures import (
    Axis,
    Curve,
    Panel,
    against_axis,
    depth_profile,
    heat_map,
    learning_curves,
)
from experiments.reporting.figures.canvas import COLOURS, INK, to_pixels
from experiments.reporting.figures.curves import centre, draw_panels, seeds_note
from experiments.reporting.figures.decades import LONG, DecadeLocator, tick_name

X = np.array([2.0, 5.0, 10.0])


def _samples(seeds: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(-x, 0.1, size=seeds) for x in X]


def _every_room() -> dict[str, Figure]:
    panel = Panel("tanh", (Curve("he", X, _samples(), -X), Curve("glorot", X, _samples())))
    names = Axis("loss", names=("a", "b", "c"))
    options = Panel("", (Curve("he", np.arange(3.0), _samples()),), (("chance", 0.1),))
    return {
        "depth profile": depth_profile([panel, panel], "Depth profile", "Seen."),
        "against numbers": against_axis([panel], Axis("depth"), Axis("accuracy"), "Accuracy", "S."),
        "against options": against_axis([options], names, Axis("accuracy"), "By loss", "Seen."),
        "learning curves": learning_curves([panel], "loss", "Learning", "Seen."),
        "heat map": heat_map(np.eye(2), ["r", "s"], ["2", "5"], "share", "Map", "Seen."),
    }


ROOMS = _every_room()


def _texts(figure: Figure) -> list[str]:
    return [
        "".join(t.itertext()) for t in ET.fromstring(figure.svg).iter() if t.tag.endswith("}text")
    ]


@pytest.mark.parametrize("name", ROOMS)
def test_a_figure_is_one_svg_that_stands_alone(name: str) -> None:
    """Well-formed, named for those who listen, without anything fetched or dated."""
    figure = ROOMS[name]
    root = ET.fromstring(figure.svg)
    assert root.attrib["aria-label"] == figure.title
    assert "width" not in root.attrib
    assert not re.search(r"(href|src)=\"(?!#|data:image/png)", figure.svg)
    assert not re.search(r"20\d\d-\d\d-\d\d|matplotlib.version", figure.svg, re.IGNORECASE)


@pytest.mark.parametrize("name", ROOMS)
def test_ink_is_left_to_the_page(name: str) -> None:
    """Text and axes take the page's colour, so that a figure reads on white and on black."""
    assert INK not in ROOMS[name].svg
    assert "currentColor" in ROOMS[name].svg
    assert "fill: #ffffff" not in ROOMS[name].svg.split("<text")[0]


def test_the_same_data_give_the_same_bytes_in_another_process() -> None:
    """Nothing depends on time, hash seeds or what was drawn before."""
    program = (
        "import numpy as np; from experiments.reporting.figures import *;"
        "print(heat_map(np.eye(2), ['r', 's'], ['2', '5'], 'share', 'Map', 'Seen.').svg, end='')"
    )
    again = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert again == ROOMS["heat map"].svg


def test_ids_of_two_figures_do_not_collide() -> None:
    """Two figures on one page refer to their own clip paths, even for the same data."""
    panel = Panel("", (Curve("he", X, _samples()),))
    one, two = (depth_profile([panel], title, "Seen.").svg for title in ("One", "Two"))
    clips = [set(re.findall(r'clipPath id="([^"]+)"', svg)) for svg in (one, two)]
    assert clips[0]
    assert not clips[0] & clips[1]


def test_powers_of_ten_are_written_below_every_float() -> None:
    """A profile near 1e-600 has ticks, since its axis is made of logarithms."""
    panel = Panel("", (Curve("sigmoid", X, [np.array([-200.0 * k]) for k in (1, 2, 3)]),))
    texts = _texts(depth_profile([panel], "Deep", "Seen."))
    assert "10⁻⁵⁶⁰" in texts


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-600.0, -1.0),
        (-600.3, -600.1),
        (-1.4, -0.35),
        (-25.2, -23.3),
        (-0.2, 0.1),
        (0.0, 1e-3),
        (2.5, 4.2),
        (-3.0, 2.0),
    ],
)
def test_every_tick_is_called_what_it_is(low: float, high: float) -> None:
    """Read back, two names or more say different numbers, each its own place on the axis."""
    ticks = DecadeLocator().tick_values(low, high)
    names = [tick_name(tick, whole=high - low >= LONG) for tick in ticks]
    inside = [tick for tick in ticks if low <= tick <= high]
    assert len(inside) >= 2
    assert len(set(names)) == len(names) <= 12
    for tick, name in zip(ticks, names, strict=True):
        assert _log10_read(name) == pytest.approx(tick, abs=1e-3 * (high - low))


def _log10_read(name: str) -> float:
    """What a reader makes of 0.05, 10⁻³ or 5.5×10⁻⁶⁰¹."""
    written = re.fullmatch(r"(?:([\d.]+)×)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", name)
    if written is None:
        return np.log10(float(name))
    exponent = int(written[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    return exponent + np.log10(float(written[1] or 1))


def test_values_that_are_not_finite_are_marked_with_their_count() -> None:
    """The mean is that of the finite seeds; a cross says how many were not, the caption what it means."""
    samples = _samples()
    samples[2][:3] = [-np.inf, np.nan, np.inf]
    figure = depth_profile([Panel("", (Curve("he", X, samples),))], "Holes", "Seen.")
    assert "× 3/4" in _texts(figure)
    assert "(3 values)" in figure.caption
    mean, _ = centre(samples)
    assert mean[2] == samples[2][3]


def test_a_run_that_ends_early_is_marked_once() -> None:
    """A long curve has one cross where its seeds are lost, not one a step."""
    x = np.arange(20.0)
    samples = [np.array([1.0, 1.0 if k < 5 else np.nan]) for k in range(20)]
    figure = learning_curves([Panel("", (Curve("he", x, samples),))], "loss", "Early", "Seen.")
    assert [text for text in _texts(figure) if "×" in text] == ["× 1/2"]


def test_nothing_finite_at_all_still_draws() -> None:
    """A curve of NaN, an empty point and a map of NaN are pictures, not crashes."""
    curve = Curve("he", X, [np.full(3, np.nan), np.full(3, np.inf), np.empty(0)])
    assert "× 3/3" in _texts(depth_profile([Panel("", (curve,))], "None", "Seen."))
    holes = np.array([[np.nan, np.inf], [-np.inf, np.nan]])
    texts = _texts(heat_map(holes, ["r", "s"], ["2", "5"], "share", "Map", "Seen."))
    assert {"–", "∞", "−∞"} <= set(texts)


def test_the_band_is_the_middle_of_the_seeds() -> None:
    """Mean in the middle, the 10th and 90th percentile around it."""
    seeds = np.linspace(0.0, 10.0, 101)
    mean, band = centre([seeds])
    assert mean[0] == pytest.approx(5.0)
    assert band[:, 0] == pytest.approx([1.0, 9.0])


def test_one_label_has_one_colour_in_all_panels() -> None:
    """A line keeps its colour where another panel lacks its neighbour."""
    both = Panel("a", (Curve("glorot", X, _samples()), Curve("he", X, _samples())))
    alone = Panel("b", (Curve("he", X, _samples()),))
    figure = draw_panels([both, alone], Axis("depth"), Axis("y"))
    colours = [[line.get_color() for line in axes.lines] for axes in figure.axes]
    assert colours == [[COLOURS[0], COLOURS[1]], [COLOURS[1]]]


@pytest.mark.parametrize(("panels", "named"), [(1, 1), (3, 3), (5, 4), (8, 4)])
def test_a_column_that_ends_early_has_its_axis_named(panels: int, named: int) -> None:
    """Five panels in rows of four: the last three of the first row have nothing below them."""
    panel = Panel("", (Curve("he", X, _samples()),))
    figure = draw_panels([panel] * panels, Axis("depth"), Axis("accuracy"), columns=4)
    lowest = [axes for axes in figure.axes if axes.axison and axes.get_xlabel() == "depth"]
    assert len(lowest) == named
    assert all(axes.xaxis.get_tick_params()["labelbottom"] for axes in lowest)


def test_pixels_are_on_white() -> None:
    """The picture for an image dashboard has three channels and a white corner."""
    pixels = to_pixels(
        draw_panels([Panel("", (Curve("he", X, _samples()),))], Axis("l"), Axis("y"))
    )
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert (pixels[0, 0] == 255).all()
    assert (pixels < 128).any()


def test_an_overlay_is_drawn_over_a_map() -> None:
    """Theory's line goes over the fields."""
    line = np.array([[0.0, 1.0], [0.5, 0.5]])
    with_line = heat_map(np.eye(2), ["r", "s"], ["2", "5"], "x", "Map", "S.", overlay=line)
    assert len(with_line.svg) > len(ROOMS["heat map"].svg)


def test_the_mean_of_logarithms_is_called_geometric() -> None:
    """On an axis of decades the line is the mean of log10; elsewhere it is the plain mean."""
    panel = Panel("", (Curve("he", X, _samples()),))
    assert "geometric mean over seeds" in depth_profile([panel], "Deep", "Seen.").caption
    assert "Line: mean over seeds" in learning_curves([panel], "loss", "L", "Seen.").caption


SPREAD = Curve("he", X, _samples())
ONE_SEED = Curve("he", X, _samples(1))
COMPUTED = Curve("variance", X, _samples(1), interval=np.array([X - 1, X + 1]))


@pytest.mark.parametrize(
    ("curves", "note"),
    [
        ([SPREAD], " Line: mean over seeds; band: the middle 80 % of seeds."),
        ([ONE_SEED], " One seed: no band."),
        ([COMPUTED], " Line: one number from all seeds; band: its 95 % interval over seeds."),
        (
            [SPREAD, COMPUTED],
            " Line: mean over seeds; band: the middle 80 % of seeds."
            " Line (variance): one number from all seeds; band: its 95 % interval over seeds.",
        ),
        (
            [ONE_SEED, COMPUTED],
            " One seed: no band."
            " Line (variance): one number from all seeds; band: its 95 % interval over seeds.",
        ),
    ],
)
def test_the_caption_says_what_every_line_and_band_is(curves: list[Curve], note: str) -> None:
    """The middle of the seeds, or an interval of what was computed from them; both where both are."""
    assert seeds_note([Panel("", (curve,)) for curve in curves]) == note


def test_the_legend_shows_the_markers_that_are_drawn() -> None:
    """A curve of 60 points has none, neither in its panel nor in the legend."""
    long = Curve("long", np.arange(60.0), [np.array([1.0, 2.0])] * 60)
    panel = Panel("", (long, Curve("short", X, _samples())))
    figure = draw_panels([panel], Axis("step"), Axis("loss"))
    markers = [handle.get_marker() for handle in figure.legends[0].legend_handles]
    drawn = [line.get_marker() for line in figure.axes[0].lines]
    assert [m in ("", "None") for m in markers] == [True, False]
    assert markers[1] == drawn[1]


def test_a_prediction_may_be_finer_than_the_measurement() -> None:
    """A bent line is drawn through the points where theory was asked, not through the measured ones."""
    fine = np.linspace(2.0, 10.0, 50)
    curve = Curve("he", X, _samples(), -(fine**2), predicted_at=fine)
    figure = draw_panels([Panel("", (curve,))], Axis("depth"), Axis("y"))
    dashed = figure.axes[0].lines[1]
    assert np.allclose(dashed.get_xdata(), fine)
    assert np.allclose(dashed.get_ydata(), -(fine**2))


def test_a_line_does_not_strike_through_the_numbers() -> None:
    """Numbers are drawn after the line, each on its field's colour; without a line there is no ground."""
    line = np.array([[0.0, 1.0], [0.0, 1.0]])
    plain, crossed = (
        heat_map(np.eye(2), ["r", "s"], ["2", "5"], "share", "Map", "Seen.", overlay=overlay).svg
        for overlay in (None, line)
    )
    assert crossed.index("#ee6677") < crossed.index(">1.00<")
    first, last = crossed.index("#ee6677"), crossed.rindex(">1.00<")
    assert len(re.findall(r'style="fill: #[0-9a-f]{6}"', crossed[first:last])) >= 4
    assert "#ee6677" not in plain
