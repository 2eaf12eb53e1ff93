"""Every study: an option file, a class, a question, and what would refute its claim."""

import inspect
import math
import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from tests.app.composing import composed, composed_whole
from tests.house.plan import CONF, ROOT, name_of, options

from experiments import studies
from experiments.core.study import Study

CLASSES = {name: getattr(studies, name) for name in studies.__all__}
ROOMS = {name: thing for name, thing in CLASSES.items() if inspect.isclass(thing)}


@pytest.mark.parametrize("path", options("study").values(), ids=name_of)
def test_a_study_file_names_itself_and_its_class(path) -> None:
    """``name`` is the file's name, ``study`` an exported class; its comment asks the question."""
    option = OmegaConf.load(path)
    assert option.name == path.stem
    module, _, name = option.study.rpartition(".")
    assert module == studies.__name__
    assert issubclass(ROOMS[name], Study)
    lines = path.read_text().splitlines()
    assert lines[0] == "# @package _global_"
    opening = " ".join(line.lstrip("# ") for line in lines[1:4] if line.startswith("#"))
    assert "?" in opening, "the opening comment asks no question"


@pytest.mark.parametrize("name", options("study"))
def test_a_study_composes(name) -> None:
    """As a user types it; its cells' results go to its own folder, and its class reads them."""
    config, choices = composed(f"study={name}")
    assert config["name"] == name
    assert config["study"].rpartition(".")[2] in ROOMS
    assert choices["study"] == name


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_a_study_asks_and_can_be_refuted(room) -> None:
    """A question with its mark; a claim only together with what would show it false."""
    assert room.question.strip().endswith("?")
    assert bool(room.claim.strip()) == bool(room.refuted_by.strip())


def test_every_study_has_an_option_file() -> None:
    """Sweep reads what no study claims; all others are asked for by name."""
    named = {OmegaConf.load(path).study.rpartition(".")[2] for path in options("study").values()}
    assert named == set(ROOMS) - {"Sweep"}


def _cells(config: DictConfig) -> int:
    """How many cells the sweeper will make of its axes."""
    axes = [f"{key}={value}" for key, value in config.hydra.sweeper.params.items()]
    parsed: list[Override] = OverridesParser.create().parse_overrides(axes)
    return math.prod(len(list(o.sweep_iterator())) for o in parsed if o.is_sweep_override())


@pytest.mark.parametrize("name", options("study"))
def test_every_study_has_a_full_size(name) -> None:
    """``size=full`` composes, to more work than the default and to as many cells as its comment counts."""
    work = {}
    files = {"default": options("study")[name], "full": options("size/of")[f"{name}_full"]}
    for size, path in files.items():
        config = composed_whole(f"study={name}", f"size={size}")
        cells = _cells(config)
        work[size] = cells * (config.trainer.max_steps + 1)
        comments = [line[2:] for line in path.read_text().splitlines() if line.startswith("#")]
        counted = re.search(r"= ([\d,]+) (networks|runs)", " ".join(comments))
        assert counted is None or int(counted[1].replace(",", "")) == cells
    assert work["full"] > 2 * work["default"]


@pytest.mark.parametrize("path", sorted((CONF / "size" / "of").glob("*.yaml")), ids=name_of)
def test_a_size_belongs_to_a_study_and_a_size(path) -> None:
    """STUDY_SIZE.yaml, or nothing would ever choose it."""
    sizes = set(options("size"))
    assert path.stem in {f"{study}_{size}" for study in options("study") for size in sizes}
    composed(f"study={path.stem.rpartition('_')[0]}", f"size={path.stem.rpartition('_')[2]}")


PAGE = ROOT / "docs" / "studies.md"


@pytest.mark.parametrize("name", options("study"))
def test_the_page_of_studies_has_its_question_and_sizes(name) -> None:
    """As the class asks it, with the number of cells that either size makes; its link leads somewhere."""
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if f"| `{name}` |" in line]
    assert len(rows) == 1, f"docs/studies.md has {len(rows)} rows for {name}"
    _, question, _, networks, *_, link, _ = (cell.strip() for cell in rows[0])
    room = OmegaConf.load(options("study")[name]).study.rpartition(".")[2]
    assert question == ROOMS[room].question
    sizes = [composed_whole(f"study={name}", f"size={size}") for size in ("default", "full")]
    assert networks == "; ".join(f"{_cells(config):,}" for config in sizes)
    page, _, anchor = link.partition("(")[2].removesuffix(")").partition("#")
    headings = [line for line in (PAGE.parent / page).read_text().splitlines() if line[:1] == "#"]
    assert anchor in map(_anchor, headings)


def _anchor(heading: str) -> str:
    """The fragment under which a page of Markdown shows a heading."""
    words = re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower())
    return words.replace(" ", "-")
