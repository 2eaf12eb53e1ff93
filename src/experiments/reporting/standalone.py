"""A report's figures as separate files, for a page or a talk."""

import re
from collections.abc import Sequence
from pathlib import Path

from experiments.core.study import Figure
from experiments.reporting.figures.canvas import INK

HEADER = '<?xml version="1.0" encoding="utf-8"?>\n'


def write_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write every figure as an SVG named after its title, with a white background and fixed colours.

    Args:
        figures: of a study.
        folder: created if missing; files of the same name are replaced.

    Returns:
        The files, in the order of the figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        path = folder / f"{file_name(figure.title)}.svg"
        svg = figure.svg.replace("currentColor", INK)
        svg = svg.replace('style="max-width', 'style="background: white; max-width', 1)
        path.write_text(HEADER + svg + "\n", encoding="utf-8")
        written.append(path)
    return written


def file_name(title: str) -> str:
    """A title as a file name for any file system.

    >>> file_name("The first layer's gradient against depth"), file_name("Training accuracy, tanh")
    ('the-first-layers-gradient-against-depth', 'training-accuracy-tanh')
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower().replace("'", "")).strip("-")
