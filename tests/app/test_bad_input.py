"""Bad input: one message that names what was found and what was expected, and nothing half written."""

import signal
from pathlib import Path

import pandas as pd
import pytest
from tests.app.command import TINY, Answer, train

#: refused by the house: found, expected, remedy
HOUSE = {
    "several options at once": (
        ["loss=[cross_entropy,focal]"],
        "found no single loss; expected one",
    ),
    "an argument of no optimiser": (
        ["+optimizer.foo=3"],
        "found experiments.training.optimizers.SGD",
    ),
    "a key that nothing reads": (["+verbose=1"], "found the key verbose; expected activation, "),
    "an added key, misspelt": (
        ["+trainer.max_step=1"],
        "did you mean trainer.max_steps?",
    ),
    "a negative depth": (["model.depth=-1"], "found model.depth=-1; expected an integer from 0"),
    "a width of 0": (["model.width=0"], "found model.width=0; expected an integer from 1"),
    "a hidden layer of 0": (["model.hidden=[3,0]"], "found model.hidden=0; expected an integer"),
    "a rate that is no number": (["optimizer.lr=nan"], "found lr=nan; expected 0 <= lr"),
    "a negative rate": (["optimizer.lr=-0.1"], "found lr=-0.1; expected 0 <= lr"),
    "an infinite rate": (["optimizer.lr=inf"], "found lr=inf; expected 0 <= lr"),
    "too much momentum": (["optimizer.momentum=1.5"], "found momentum=1.5; expected 0 <= momentum"),
    "a negative seed": (["seed=-1"], "found seed=-1; expected an integer from 0"),
    "no steps": (["trainer.max_steps=-1"], "found trainer.max_steps=-1; expected 0 or more"),
    "an empty batch": (["trainer.batch_size=0"], "found trainer.batch_size=0; expected 1 or more"),
    "an unknown precision": (["trainer.precision=8-true"], "found trainer.precision='8-true'; exp"),
    "a GPU that is not there": (["trainer=gpu"], "found trainer.accelerator=gpu and no CUDA"),
    "a link without a meaning": (
        ["loss.link=sigmoid"],
        "found link='sigmoid' for CrossEntropy; exp",
    ),
    "a head and another loss": (
        ["head=cross_entropy_on_softmax", "loss=mean_squared_error"],
        "found head=cross_entropy_on_softmax together with loss=mean_squared_error and loss.link=",
    ),
    "a head and another link": (
        ["head=half_squared_error_on_softmax", "loss.link=sigmoid"],
        "found head=half_squared_error_on_softmax together with loss=half_squared_error and loss",
    ),
    "a loss that does not know its head's link": (
        ["head=half_squared_error_on_sigmoid", "loss=cross_entropy"],
        "found head=half_squared_error_on_sigmoid together with loss=cross_entropy and loss.link=",
    ),
    "a scale that is no number": (
        ["initializer.sigma_b=nan"],
        "found sigma_b=nan; expected a finite",
    ),
    "a share of labels below 0": (
        ["data.label_noise=-0.1"],
        "expected a finite number of 0 or more, below 1; give label_noise=0.1, say",
    ),
    "a schedule of 0": (["probe.every=0"], "found probe.every=0; expected 1 or more"),
    "a text for a number": (
        ["loss=focal", "loss.gamma=much"],
        "gamma='much'",
    ),
    "an argument by force": (
        ["+activation.alpah=1"],
        "found experiments.activations.Tanh with derivative='exact', alpah=1",
    ),
    "a class that is not there": (
        ["activation._target_=experiments.activations.Tnah"],
        "or import Tnah in the __init__.py of experiments.activations",
    ),
    "a class that is not finished": (
        ["loss._target_=experiments.core.loss.Loss"],
        "found experiments.core.loss.Loss (Can't instantiate abstract class Loss",
    ),
    "a start that is not there": (
        ["checkpoint=/no/such"],
        "found no file /no/such; expected a cell's",
    ),
    "no metric group": (
        ["~metric"],
        "found no metric; expected every key of the front page; leave",
    ),
    "no seed": (["~seed"], "found no seed; expected every key of the front page"),
    "nothing for a group": (
        ["logger=null"],
        "found logger=null; expected the name of an option file; choose one of conf/logger, or leave",
    ),
    "an empty list of loggers": (["logger=[]"], "found no logger; expected every key"),
    "a name that is no folder of its own": (
        ["name=."],
        "found name=.; expected the name of a folder below runs_dir; give name=mine",
    ),
    "several numbers for one": (
        ["optimizer.lr=[0.1,0.2]"],
        "found optimizer.lr=[0.1, 0.2]; expected one number; sweep over several: -m optimizer.lr=",
    ),
    "a truth value for a number": (["optimizer.lr=true"], "found optimizer.lr=True; expected one"),
    "a name outside of the results": (["name=../mine"], "found name=../mine; expected the name of"),
    "a name longer than any folder's": (
        [f"name={'x' * 300}"],
        "(OSError: File name too long); expected a place where results can be written",
    ),
}
#: what a sweep cannot vary from job to job: the arguments, the refusal and its remedy
SWEPT = {
    "axis files, not as a list": (
        ["sweep=depth,loss"],
        "found sweep=depth,loss; expected one sweep for all jobs; "
        "to multiply axes, give a list: 'sweep=[depth,loss]'",
    ),
    "studies": (
        ["study=higham,depth_wall"],
        "expected one study for all jobs; run one command for",
    ),
    "sizes": (["study=higham", "size=default,full"], "found size=default,full; expected one size"),
    "names": (["name=a,b"], "found name=a,b; expected one name for all jobs; leave it out"),
    "places": (["runs_dir=a,b"], "found runs_dir=a,b; expected one runs_dir for all jobs"),
    "a name that follows an axis": (
        ["seed=1,2", "name=with_${seed}"],
        "with_1; expected cells in one folder, runs/with_0; give runs_dir and name without an axis",
    ),
}
#: refused by Hydra, whose typed front page names the key and what there is; and what is suggested
HYDRA = {
    "an unknown key": (["model.dpeth=3"], "Key 'dpeth' not in 'ModelSettings'", "model.depth=3"),
    "a key without its group": (["batch_size=8"], "Key 'batch_size'", "trainer.batch_size=8"),
    "a key of other people's": (["learning_rate=1"], "Key 'learning_rate'", "optimizer.lr=1"),
    "epochs": (
        ["trainer.epochs=10"],
        "Key 'epochs'",
        "trainer.max_steps, which counts steps and not epochs",
    ),
    "an unknown key of a room": (
        ["loss.lnik=softmax"],
        "Key 'lnik' is not in struct",
        "loss.link=softmax",
    ),
    "an unknown group": (
        ["activtion=relu"],
        "Key 'activtion' not in 'FrontPage'",
        "activation=relu or initializer.activation=relu",
    ),
    "an unknown option": (
        ["activation=tnah"],
        "Could not find 'activation/tnah'",
        "activation=tanh",
    ),
    "an option of other people's": (
        ["loss=mse"],
        "Could not find 'loss/mse'",
        "loss=mean_squared_error",
    ),
    "a head without a meaning": (
        ["head=cross_entropy_on_sigmoid"],
        "Could not find 'head/cross_entropy_on_sigmoid'",
        "head=binary_cross_entropy_on_sigmoid or head=cross_entropy_on_softmax",
    ),
    "an unknown study": (
        ["study=vanishing"],
        "Could not find 'study/vanishing'",
        "study=vanishing_gradient",
    ),
    "an unknown axis": (["sweep=wdith"], "Could not find 'sweep/wdith'", "sweep=width"),
    "a text for an integer": (
        ["model.depth=two"],
        "Value 'two' of type 'str' could not be converted",
        None,
    ),
    "a fraction for an integer": (
        ["model.depth=2.5"],
        "Value '2.5' of type 'float' could not be",
        None,
    ),
    "nothing for a name": (["name=null"], "field 'name' is not Optional", None),
    "half a list": (["model.hidden=[1"], "no viable alternative", None),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def assert_refused(answer: Answer, message: str) -> None:
    """Said once, on stderr, without a traceback; no table, no report, no cell."""
    assert answer.status != 0
    assert message in answer.err
    assert answer.err.count(message) == 1
    assert "Traceback" not in answer.err
    files = {path.name for path in Path("runs").rglob("*") if path.is_file()}
    assert files <= {"multirun.yaml"}, "Hydra writes what it was asked before it looks"


@pytest.mark.parametrize("name", HOUSE)
def test_a_setting_out_of_range_is_refused(name) -> None:
    """One line: found, expected, remedy; exit status 1."""
    arguments, message = HOUSE[name]
    answer = train(*TINY, *arguments)
    assert_refused(answer, message)
    (line,) = answer.err.strip().splitlines()
    assert line.startswith("Error: found ")
    assert line.count("; ") >= 2


def test_the_name_of_a_function_is_no_function() -> None:
    """It would be called at the first point, with a TypeError that names neither key nor remedy."""
    cube = ("data=unit_cube", "loss=half_squared_error", "data.target=sine")
    answer = train(*cube, "trainer.max_steps=0", "logger=none", "probe=none")
    assert_refused(answer, "target='sine'")


@pytest.mark.parametrize("name", HYDRA)
def test_what_hydra_does_not_know_is_refused(name) -> None:
    """Before anything is imported or written; the last line tells what was probably meant."""
    arguments, message, meant = HYDRA[name]
    answer = train(*TINY, *arguments)
    assert_refused(answer, message)
    if meant is None:
        assert "did you mean" not in answer.err
    else:
        assert answer.err.endswith(f"instead of {arguments[0]}, did you mean {meant}?\n")


def test_a_misspelt_option_among_several_is_found() -> None:
    """In a sweep too."""
    answer = train("-m", *TINY, "activation=relu,tnah")
    assert answer.err.endswith(
        "instead of activation=relu,tnah, did you mean activation=relu,tanh?\n"
    )


def test_options_of_the_users_own_are_known(tmp_path: Path) -> None:
    """A folder given with --config-dir is searched, and what it holds is no misspelling."""
    own = tmp_path / "mine" / "activation"
    own.mkdir(parents=True)
    (own / "swish.yaml").write_text("_target_: experiments.activations.SiLU\nslop: 1\n")
    flags = (f"--config-dir={own.parent}", *TINY)
    assert train(*flags, "activation=swihs").err.endswith("did you mean activation=swish?\n")
    answer = train(*flags, "activation=swish", "activation.slpo=2")
    assert answer.err.endswith("instead of activation.slpo=2, did you mean activation.slop=2?\n")
    assert answer.err.count("did you mean") == 1


def test_a_pattern_without_a_match_is_refused() -> None:
    """It would make no job; one that matches option files is Hydra's."""
    for pattern in ("optimizer.lr=glob(*)", "activation=glob(zz*)"):
        answer = train("-m", *TINY, pattern)
        assert_refused(answer, f"found {pattern}; expected a pattern that option files match, or")
    assert train("-m", *TINY, "activation=glob(t*)").status == 0


def test_a_misspelt_option_in_a_list_is_found() -> None:
    """With its brackets."""
    answer = train("-m", *TINY, "sweep=[depht,loss]")
    assert answer.err.endswith("did you mean sweep=[depth,loss]?\n")
    assert "did you mean" not in train("-m", *TINY, "sweep=[depth,qqqq]").err


def test_an_interval_is_refused() -> None:
    """Hydra's own sweeper has no values to choose from it."""
    answer = train("-m", *TINY, "model.depth=interval(1,3)")
    message = "found model.depth=interval(1,3); expected values, one job for each; list them: "
    assert_refused(answer, message)


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
@pytest.mark.parametrize("name", SWEPT)
def test_what_all_jobs_of_a_sweep_share(name, launcher) -> None:
    """Varied, axes would go unswept and tables unwritten; it is refused before the first cell."""
    arguments, message = SWEPT[name]
    assert_refused(train("-m", *TINY, f"hydra/launcher={launcher}", *arguments), message)


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_sweep_of_nothing_but_bad_settings(launcher) -> None:
    """Stacked: refused as one run would be. One by one: every cell fails by name. Status 1 for both."""
    answer = train("-m", *TINY, "model.depth=-1,-2", f"hydra/launcher={launcher}")
    assert answer.status == 1
    assert "found model.depth=-1; expected an integer from 0" in answer.out + answer.err
    assert "Traceback" not in answer.out + answer.err


#: what a loss needs of its data: arguments, and the failure that is reported
DATA = {
    "one output for a softmax": (["loss=cross_entropy"], "found one output for CrossEntropy"),
    "values for a share": (["loss=binary_cross_entropy"], "expected shares in [0, 1]"),
}


@pytest.mark.parametrize("name", DATA)
def test_a_loss_that_does_not_fit_its_data(name) -> None:
    """Known before the first step: the cell has failed and says why, with the remedy."""
    arguments, message = DATA[name]
    answer = train("data=unit_cube", "trainer.max_steps=2", "logger=none", *arguments)
    assert answer.status == 1
    (traceback,) = Path("runs/default/cells").glob("*/traceback.txt")
    assert message in traceback.read_text()


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_sweep_of_heads_beside_a_loss(launcher) -> None:
    """A study's heads and a loss of one's own exclude each other, whoever launches."""
    heads = "head=cross_entropy_on_softmax,half_squared_error_on_softmax"
    answer = train("-m", *TINY, heads, "loss=focal", f"hydra/launcher={launcher}")
    assert answer.status == 1
    assert "found head=cross_entropy_on_softmax together with loss=focal" in answer.out + answer.err
    assert "Traceback" not in answer.out + answer.err


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_sweep_with_a_wrong_type(launcher) -> None:
    """Refused by the typed front page, in the first job or in a later one."""
    answer = train("-m", *TINY, "model.depth=1,two", f"hydra/launcher={launcher}")
    assert_refused(answer, "Value 'two' of type 'str' could not be converted to Integer")


def test_an_unreadable_data_folder() -> None:
    """The files that were looked for, where, and how to get them."""
    answer = train("data=mnist", "data.folder=/no/such/folder", "logger=none")
    assert_refused(answer, "found no train-images-idx3-ubyte")
    assert "in /no/such/folder" in answer.err
    assert "give data.folder=PATH" in answer.err


def test_a_run_folder_that_is_a_file() -> None:
    """The file is named and stays as it is."""
    Path("runs").mkdir()
    Path("runs/default").write_text("mine")
    answer = train(*TINY)
    assert answer.status == 1
    assert (
        "found a file at runs/default; expected a folder, or nothing yet; set runs_dir"
        in answer.err
    )
    assert Path("runs/default").read_text() == "mine"


def test_a_runs_folder_that_is_a_file() -> None:
    """So does a file further up, in a sweep as well."""
    Path("runs").write_text("mine")
    answer = train("-m", *TINY, "seed=0,1", "hydra/launcher=stacked")
    assert answer.status == 1
    assert "found a file at runs; expected" in answer.err
    assert Path("runs").read_text() == "mine"


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_a_runs_folder_that_cannot_be_made(sweep) -> None:
    """One message, for one run and for a sweep; not what Hydra's own mkdir would raise."""
    answer = train(*sweep, *TINY, "runs_dir=/proc/results")
    assert answer.status == 1
    assert "found /proc, where no folder can be made" in answer.err
    assert "set runs_dir" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_a_study_that_is_not_exported(sweep) -> None:
    """Refused before the first cell, not after the last."""
    options = Path("own/study")
    options.mkdir(parents=True)
    lines = ("# @package _global_", "name: mine", "study: experiments.studies.Mine")
    (options / "mine.yaml").write_text("\n".join(lines))
    answer = train("--config-dir", "own", *sweep, *TINY, "study=mine")
    assert answer.status == 1
    assert "found the study 'experiments.studies.Mine'; expected experiments.studies." in answer.err
    assert "export the class in" in answer.err
    assert not Path("runs/mine/cells").exists()


def test_another_size_of_what_has_none() -> None:
    """Not the usual size without a word."""
    answer = train(*TINY, "size=full")
    assert answer.status == 1
    assert "found size=full with study=None; expected a study with a file" in answer.err
    assert not Path("runs").exists()


#: a softmax over the one output of a regression
MISFIT = ("data=unit_cube", "loss=cross_entropy", "trainer.max_steps=2", "logger=none")


def test_a_failure_of_another_day_is_not_this_commands() -> None:
    """The status is that of the cells just run; the table still shows the old one."""
    assert train(*MISFIT).status == 1
    answer = train(*TINY, report=True)
    assert answer.status == 0
    assert "1 failed" in answer.out
    assert train(*MISFIT).status == 1


def test_ctrl_c_says_how_to_go_on(monkeypatch) -> None:
    """No traceback, the shells' status of an interruption, and Ctrl-C still works afterwards."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.training.steps.Steps.__call__", interrupted)
    before = signal.getsignal(signal.SIGINT)
    answer = train(*TINY)
    assert signal.getsignal(signal.SIGINT) is before
    assert answer.status == 130
    assert "the same command goes on" in answer.err
    assert "Traceback" not in answer.err


def test_a_checkpoint_cut_short() -> None:
    """Named as what it is, before a cell is made of it."""
    assert train(*TINY, "name=whole").status == 0
    (whole,) = Path("runs/whole/cells").glob("*/checkpoint")
    torn = Path("torn")
    torn.write_bytes(whole.read_bytes()[:-100])
    answer = train(*TINY, f"checkpoint={torn}")
    assert answer.status == 1
    assert "found torn unreadable" in answer.err
    assert "perhaps cut short; expected a whole checkpoint; name the file" in answer.err
    assert not Path("runs/default/cells").exists()


def test_an_old_table_survives_a_refusal() -> None:
    """A bad run into a good folder changes nothing there."""
    assert train(*TINY).status == 0
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    assert train(*TINY, "model.width=0").status == 1
    assert {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("launcher", ["basic", "stacked"])
def test_a_refused_job_does_not_stop_its_neighbours(launcher) -> None:
    """A checkpoint that is not there is one failed row; the other cell trains."""
    settings = ("checkpoint=/no/such/file,null", f"hydra/launcher={launcher}")
    answer = train("-m", *TINY, *settings, report=True)
    assert answer.status == 1
    rows = pd.read_parquet("runs/default/results.parquet").set_index("status")
    assert sorted(rows.index) == ["failed", "finished"]
    assert "found no file /no/such/file" in rows.loc["failed", "error"]
