"""Rules that every source file keeps."""

import ast
import re
import subprocess
import sys

import pytest
from tests.house.plan import ROOMS, ROOT, SOURCES, dotted, modules, parsed, rooms, tracked

ROOM_BUDGET, MODULE_BUDGET = 120, 300
#: names that say nothing about what is inside
NAMELESS = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "managers", "base"}
ROOM_FILES = {
    SOURCES / folder / f"{name}.py" for group, folder in ROOMS.items() for name in rooms(group)
}
PACKAGES = [path for path in modules() if path.name == "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_fits_its_budget(path) -> None:
    """One idea, one room, one screen."""
    budget = ROOM_BUDGET if path in ROOM_FILES else MODULE_BUDGET
    assert len(path.read_text().splitlines()) <= budget


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_says_what_it_is(path) -> None:
    """A name that means something, and a docstring."""
    assert not {path.stem, path.parent.name} & NAMELESS
    assert ast.get_docstring(parsed(path)), "no docstring"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_everything_public_is_explained(path) -> None:
    """Every public class and function has a docstring that ends its first sentence."""
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if any(getattr(mark, "id", "") == "overload" for mark in node.decorator_list):
                continue
            text = ast.get_docstring(node)
            assert text, f"{node.name} has no docstring"
            assert re.search(r"[.:?]", text), f"{node.name}: no sentence"


@pytest.mark.parametrize("path", PACKAGES, ids=dotted)
def test_what_a_folder_exports_is_what_it_imports(path) -> None:
    """``__all__`` is complete, and nothing else comes along."""
    imported, exported = set(), []
    for node in parsed(path).body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            imported |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign) and node.targets[0].id == "__all__":  # type: ignore[attr-defined]
            exported = ast.literal_eval(node.value)
    assert imported == set(exported)
    assert len(exported) == len(set(exported))


@pytest.mark.parametrize("path", PACKAGES, ids=dotted)
def test_exports_are_sorted(path) -> None:
    """Constants, then classes, then the rest, each by name."""
    for node in parsed(path).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":  # type: ignore[attr-defined]
            names = ast.literal_eval(node.value)

            def rank(name: str) -> tuple[int, str]:
                kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
                return kind, name

            assert names == sorted(names, key=rank)


def test_zero_is_a_seed() -> None:
    """Nowhere is a seed asked whether it is true: 0 is a seed like any other."""
    found = []
    for path in modules():
        for node in ast.walk(parsed(path)):
            asked: list[ast.expr] = []
            if isinstance(node, ast.If | ast.While | ast.IfExp):
                asked = [node.test]
            elif isinstance(node, ast.BoolOp):
                asked = node.values
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                asked = [node.operand]
            names = [getattr(one, "id", getattr(one, "attr", "")) for one in asked]
            found += [f"{dotted(path)}:{node.lineno}" for name in names if name == "seed"]
    assert not found


def test_a_text_file_is_written_and_read_in_a_named_encoding() -> None:
    """What one machine writes, another reads: the default follows the machine."""
    found = []
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {word.arg for word in node.keywords}
                if node.func.attr in ("read_text", "write_text") and "encoding" not in named:
                    found.append(f"{dotted(path)}:{node.lineno}")
    assert not found


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No absolute path of a workplace or a home in any file that is kept."""
    slash = "/"
    places = [slash + name + slash for name in ("work", "root", "home", "Users")]
    allowed = {"bib"}
    found = []
    for path in tracked():
        if path.suffix in (".png", ".gz", ".ico") or path.suffix in allowed:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {place}" for place in places if place in text]
    assert not found


def test_no_large_file_is_kept() -> None:
    """Results are computed, not stored."""
    large = [str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > 600_000]
    assert not large


def test_nothing_unused_is_imported_and_nothing_prints() -> None:
    """Only the command line speaks to its user."""
    pytest.importorskip("ruff", reason="ruff is in the extra `dev`")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "F401,F811,T20", "src"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_floors_hold() -> None:
    """Imports point down; rooms do not know each other: the contracts in pyproject.toml."""
    pytest.importorskip("importlinter", reason="import-linter is in the extra `dev`")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
