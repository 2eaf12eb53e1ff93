"""The caching loader composes what Hydra composes, job after job."""

import itertools
from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from tests.app.composing import options

from experiments.app.build import group_key
from experiments.app.cells import cell_of
from experiments.app.compose import CachingLoader, plain
from experiments.app.conf_dir import conf_dir
from experiments.app.schema import register

SWEEPS = {
    "leaves": [
        ["model.depth=1", "seed=0"],
        ["model.depth=2", "seed=0"],
        ["model.depth=2", "seed=9"],
    ],
    "options": [["activation=relu"], ["activation=elu"], ["activation=relu"]],
    "options and leaves": [
        [f"activation={name}", f"activation.derivative={rule}", f"seed={seed}"]
        for name, rule, seed in (("relu", "exact", 0), ("elu", "native", 0), ("relu", "native", 1))
    ],
    "numbers": [["optimizer.lr=0.1"], ["optimizer.lr=1"], ["optimizer.lr=1e-3"]],
    "non-finite": [["optimizer.lr=0.1"], ["optimizer.lr=nan"], ["optimizer.lr=inf"]],
    "typed": [["trainer.batch_size=8"], ["trainer.batch_size=null"], ["trainer.batch_size=16"]],
    "lists": [["model.hidden=[2,3]"], ["model.hidden=[4]"], ["model.hidden=null"]],
    "untyped lists": [
        ["optimizer=adam", "optimizer.betas=[0.5,0.9]"],
        ["optimizer=adam", "optimizer.betas=[0.8,0.99]"],
    ],
    "lists and their elements": [
        ["optimizer=adam", f"optimizer.betas=[{first},0.9]", f"optimizer.betas.1={second}"]
        for first, second in ((0.5, 0.8), (0.6, 0.8), (0.6, 0.7))
    ],
    "elements before their lists": [
        ["optimizer=adam", f"optimizer.betas.1={second}", f"optimizer.betas=[{first},0.9]"]
        for first, second in ((0.5, 0.8), (0.6, 0.8), (0.6, 0.7))
    ],
    "the same key twice": [["seed=1", "seed=2"], ["seed=3", "seed=2"], ["seed=3", "seed=4"]],
    "lists of objects": [
        ["probe.quantities=[{_target_:experiments.probes.quantities.DeltaSize}]"],
        ["probe.quantities=[]"],
        ["probe.quantities=[{_target_:experiments.probes.quantities.Nonfinite}]"],
    ],
    "mappings": [
        ["data=unit_cube", "data.target={cycles:2.0}"],
        ["data=unit_cube", "data.target={_target_:experiments.data.tent,cycles:3.0}"],
        ["data=unit_cube", "data.target={_partial_:true}"],
    ],
    "a mapping in the place of an option": [
        ["activation={derivative:native}"],
        ["activation={derivative:exact}"],
        ["activation=relu"],
    ],
    "interpolations": [
        ["model.width=${model.depth}", "model.depth=3"],
        ["model.width=7", "model.depth=4"],
        ["model.width=${model.depth}", "model.depth=5"],
    ],
    "following options": [
        ["initializer=critical", "activation=tanh"],
        ["initializer=critical", "activation=relu"],
        ["initializer=critical", "activation=tanh", "initializer.sigma_b=0.1"],
    ],
    "texts": [["name=a"], ["name='b c'"], ['name="d=e"'], ["name=f"]],
    "optional": [["checkpoint=null"], ["checkpoint=some/where"], ["checkpoint=null"]],
    "added keys": [["+data.extra=1", "seed=0"], ["seed=1"], ["+data.extra=2", "seed=2"]],
    "forced and deleted": [["++seed=1"], ["seed=2"], ["~logger.tensorboard.layers"], ["seed=3"]],
    "hydra's own": [["hydra.job.name=one", "seed=0"], ["hydra.job.name=two", "seed=1"]],
    "in another order": [["seed=1", "model.depth=2"], ["model.depth=3", "seed=4"]],
    "with another set of keys": [["seed=1"], ["seed=1", "model.depth=9"], ["seed=2"]],
}


@pytest.fixture(scope="module")
def loader() -> Iterator[ConfigLoader]:
    """Hydra's own loader of the project's conf/."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


@pytest.fixture(scope="module")
def front_page(loader) -> DictConfig:
    """The config that a plain sweep starts from."""
    return loader.load_configuration("config", [], RunMode.MULTIRUN)


def assert_composes_the_same(
    loader: ConfigLoader, master: DictConfig, given: list[str], jobs: list[list[str]]
) -> None:
    """Every config after the first is Hydra's: values, types, and what Hydra says about the job."""
    caching = CachingLoader(loader)
    caching.load_sweep_config(master, [*given, *jobs[0]])
    for number, job in enumerate(jobs[1:]):
        wanted = loader.load_sweep_config(master, [*given, *job])
        composition = caching.compose(master, [*given, *job])
        composition.number(number)
        found = composition.config
        assert repr(plain(found)) == repr(plain(wanted)), job
        assert repr(composition.plain()) == repr(plain(wanted)), job
        assert found.hydra.runtime.choices == wanted.hydra.runtime.choices
        assert found.hydra.overrides.task == wanted.hydra.overrides.task
        assert (found.hydra.job.num, found.hydra.job.id) == (number, str(number))
        assert found.hydra.job.name == wanted.hydra.job.name
        assert found.hydra.job.override_dirname == wanted.hydra.job.override_dirname


@pytest.mark.parametrize("name", SWEEPS)
def test_every_kind_of_override_is_composed_as_hydra_does(loader, front_page, name) -> None:
    """Whatever the job before it set, a job's config is what Hydra alone makes of it."""
    assert_composes_the_same(loader, front_page, [], SWEEPS[name])


@pytest.mark.parametrize("study", options("study"))
def test_the_jobs_of_every_study_are_composed_as_hydra_does(loader, study) -> None:
    """The last job of the study's own axes."""
    master = loader.load_configuration("config", [f"study={study}"], RunMode.MULTIRUN)
    axes = OmegaConf.to_container(master.hydra.sweeper.params) or {}
    values = [[f"{key}={value}" for value in str(text).split(",")] for key, text in axes.items()]
    values = [
        choice if "(" not in choice[0] else [choice[0].split("=")[0] + "=3"] for choice in values
    ]
    if not values:
        pytest.skip("a study of one cell")
    first, last = [choice[0] for choice in values], [choice[-1] for choice in values]
    assert_composes_the_same(loader, master, [f"study={study}"], [first, last])


def test_a_wrong_value_is_refused_whether_composed_or_set(loader, front_page) -> None:
    """The second job of a kind is only set, and its typed nodes refuse what the first's would."""
    caching = CachingLoader(loader)
    caching.load_sweep_config(front_page, ["model.depth=1"])
    with pytest.raises(ConfigCompositionException, match=r"override model\.depth=two"):
        caching.load_sweep_config(front_page, ["model.depth=two"])
    assert caching.load_sweep_config(front_page, ["model.depth=5"]).model.depth == 5


def test_hundreds_of_cells_are_composed_once_for_each_choice(
    loader, front_page, monkeypatch
) -> None:
    """200 cells over two options and a hundred seeds ask Hydra twice, and make two groups."""
    asked = []
    original = loader.load_sweep_config

    def counting(*arguments):
        asked.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(loader, "load_sweep_config", counting)
    caching = CachingLoader(loader)
    cells = []
    for name, seed in itertools.product(("relu", "tanh"), range(100)):
        config = caching.load_sweep_config(front_page, [f"activation={name}", f"seed={seed}"])
        cells.append(cell_of(plain(config), config.hydra.runtime.choices))
    assert len(asked) == 2
    assert len({cell.id for cell in cells}) == 200
    assert len({group_key(cell) for cell in cells}) == 2
    assert [cell.config["seed"] for cell in cells] == 2 * list(range(100))
