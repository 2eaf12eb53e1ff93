"""Whether results can be written. It is tried, since not every file system honours permissions."""

import tempfile
from pathlib import Path

from experiments.core.errors import ConfigurationError, describe


def standing(folder: Path) -> Path:
    """The folder itself, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def unwritable(folder: Path) -> str | None:
    """Why nothing can be written to a folder, which need not exist yet; None if it can."""
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


def require_place(folder: Path, remedy: str) -> None:
    """Refuse a folder that results cannot be written to.

    Raises:
        ConfigurationError: if a file is in its place or in that of a parent, or it may not be written.
    """
    if reason := unwritable(folder):
        raise ConfigurationError(describe(reason, "a place where results can be written", remedy))
    for path in (folder, *folder.parents):
        if (path.exists() or path.is_symlink()) and not path.is_dir():
            what = "a file" if path.exists() else "a link to nothing"
            raise ConfigurationError(
                describe(f"{what} at {path}", "a folder, or nothing yet", remedy)
            )
