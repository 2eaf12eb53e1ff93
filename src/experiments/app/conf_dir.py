"""Where conf/ is: beside the sources in a checkout, inside the package when installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """The folder that holds config.yaml.

    A checkout comes first: an editable install leaves a stale copy of conf/ in site-packages.

    Raises:
        FileNotFoundError: if neither place has it, naming both.
    """
    places = (_PACKAGE.parents[1] / "conf", _PACKAGE / "conf")
    for place in places:
        if (place / "config.yaml").is_file():
            return place
    raise FileNotFoundError(
        f"found no config.yaml in {places[0]} or {places[1]}; expected the project's conf/ there; "
        "reinstall the package, or run from a complete checkout"
    )
