"""Which axes vary, and how configurations are named."""

from pandas import DataFrame

from experiments.reporting.configurations import configurations, varying_axes
from experiments.reporting.summary import bounds, metric_interval, summarise


def _table() -> DataFrame:
    return DataFrame(
        {
            "cell": list("abcdef"),
            "status": ["finished"] * 5 + ["failed"],
            "initializer": ["he", "he", "he", "gaussian", "gaussian", "gaussian"],
            "initializer.sigma_w": [None, None, None, 1.5, 1.5, 1.5],
            "loss": ["cross_entropy"] * 6,
            "model.depth": [2, 2, 5, 2, 5, 5],
            "seed": [0, 1, 0, 0, 0, 1],
            "val/accuracy": [0.9, 0.8, 0.7, 0.6, float("nan"), float("nan")],
        }
    )


def test_an_axis_that_says_nothing_new_is_left_out() -> None:
    """sigma_w follows the initializer here, the loss does not vary, and the seed is no axis."""
    assert varying_axes(_table()) == ["initializer", "model.depth"]


def test_a_seed_that_follows_the_seed_is_no_axis() -> None:
    """data.seed=${seed} draws the split anew for each run; a data seed of its own is an axis."""
    table = _table()
    table["data.seed"] = table["seed"]
    assert varying_axes(table) == ["initializer", "model.depth"]
    table["data.seed"] = [0, 0, 0, 7, 7, 7]
    table["initializer"] = "he"
    table["initializer.sigma_w"] = None
    assert varying_axes(table) == ["model.depth", "data.seed"]


def test_configurations_gather_their_seeds() -> None:
    """One group a setting, in the order of values, with a name a reader understands."""
    groups = configurations(_table(), ["initializer", "model.depth"])
    assert [(g.label, list(g.rows["cell"])) for g in groups] == [
        ("gaussian · depth 2", ["d"]),
        ("gaussian · depth 5", ["e", "f"]),
        ("he · depth 2", ["a", "b"]),
        ("he · depth 5", ["c"]),
    ]
    assert [g.label for g in configurations(_table(), [])] == ["all seeds"]


def test_a_missing_setting_is_a_configuration_of_its_own() -> None:
    """null is a value: its rows are not dropped."""
    groups = configurations(_table(), ["initializer.sigma_w"])
    assert [len(g.rows) for g in groups] == [3, 3]


def test_the_summary_counts_ends_and_writes_intervals() -> None:
    """A failed cell is no seed of a mean; a value that is not finite is counted beside it."""
    groups = configurations(_table(), ["initializer"])
    intervals = [metric_interval(group.rows, "val/accuracy") for group in groups]
    frame = summarise(groups, ["initializer"], {"accuracy": intervals})
    assert list(frame["failed"]) == [1, 0]
    assert list(frame["seeds"]) == [3, 3]
    assert frame["accuracy: 95 %"][0] == "one seed, no interval; 1 not finite"
    assert bounds(intervals[1]).startswith("[0.")


def test_two_axes_of_one_short_name_are_two_columns() -> None:
    """Nothing is lost from the table, and a label says which is which."""
    axes = ["data.sigma_w", "initializer.sigma_w"]
    rows = DataFrame({axes[0]: [1.0, 1.0], axes[1]: [1.0, 2.0], "seed": [0, 0]})
    groups = configurations(rows.assign(status="finished"), axes)
    assert list(summarise(groups, axes, {})) == [*axes, "seeds"]
    assert groups[1].label == "data.sigma_w 1 · initializer.sigma_w 2"
