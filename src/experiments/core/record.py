"""What a cell's record.json holds, and what may be wrong with one that was found."""

import json
from typing import Any, get_args

from experiments.core.cell import CellFolder, Status

Record = dict[str, Any]

_NUMBER = (int, float, type(None))
#: parts that every record has, and parts that it may have
_NEEDED = {"axes": dict, "metrics": dict}
_POSSIBLE: dict[str, tuple[type, ...]] = {
    "history": (dict,),
    "seconds": _NUMBER,
    "steps": (int, type(None)),
    "diverged_at": (int, type(None)),
    "stopped_at": (int, type(None)),
    "facts": (dict,),
    "versions": (dict,),
}


def read_record(folder: CellFolder) -> Record | str:
    """The record of a cell, or why it cannot be used."""
    try:
        record = json.loads(folder.record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return f"record.json cannot be read ({type(error).__name__})"
    return _what_is_wrong(record, folder.path.name) or record


def _what_is_wrong(record: object, cell: str) -> str:
    if not isinstance(record, dict):
        return "record.json is not a record"
    if record.get("cell") != cell:
        return f"record.json belongs to cell {record.get('cell')!r}"
    if record.get("status") not in get_args(Status):
        return f"record.json has the unknown status {record.get('status')!r}"
    for part, kind in _NEEDED.items():
        if not isinstance(record.get(part), kind):
            return f"record.json has no {part}"
    for part, kinds in _POSSIBLE.items():
        if part in record and not isinstance(record[part], kinds):
            return f"record.json has a wrong {part}"
    if not all(isinstance(values, list) for values in record.get("history", {}).values()):
        return "record.json has a wrong history"
    for name, value in record["metrics"].items():
        if not isinstance(value, _NUMBER):
            return f"record.json has {name}={value!r}, which is not a number"
    return ""
