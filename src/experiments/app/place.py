"""Whether results can be written: tried, since permissions do not tell of every file system."""

import tempfile
from pathlib import Path


def standing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that there is."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def unwritable(folder: Path) -> str | None:
    """Why nothing can be put into a folder that may not be there yet; None if it can."""
    place = folder
    try:
        place = standing(folder)
        with tempfile.TemporaryDirectory(dir=place) as trial:
            for name in folder.absolute().relative_to(place.absolute()).parts:
                Path(trial, name).mkdir(exist_ok=True)
    except OSError as error:
        why = f"{type(error).__name__}: {error.strerror}"
        return f"{place}, where no folder can be made ({why})"
    return None
