"""What must hold on a GPU, shown without one: no step waits for its numbers, and it can be captured."""

import gc
import itertools
import os
import weakref
from contextlib import closing, contextmanager

import numpy as np
import pytest
import torch
from tests.app.composing import cell, trained, vary
from tests.training.emulated_device import CUDA, emulated_gpu
from tests.training.emulated_graph import EmulatedGraph, capturing
from tests.training.test_equal_to_alone import every_option_once, trajectory
from torch.overrides import TorchFunctionMode

from experiments.app.build import stack_of
from experiments.core.logger import CurveWriter
from experiments.training.engine import RecursionEngine
from experiments.training.loggers import TensorBoard
from experiments.training.module import StackModule
from experiments.training.parameters import StackParameters
from experiments.training.recording import Recorder
from experiments.training.train import train

ROWS = pytest.mark.parametrize("row", every_option_once(), ids="-".join)


def three_runs(*overrides: str):
    """Cells with their own seeds and rates."""
    like = cell(*overrides)
    rate = like.config["optimizer"]["lr"]
    return vary(like, {"seed": (0, 1, 2), "optimizer.lr": (rate / 2, rate / 3, rate / 4)})


def on_gpu(cells):
    """The outcomes of the stack on the emulated GPU, and the graphs that were captured."""
    there = [vary(cell, {"trainer.accelerator": ["gpu"]})[0] for cell in cells]
    with emulated_gpu() as graphs:
        return trained(there), graphs


@ROWS
def test_a_step_and_its_record_ask_for_no_number(row) -> None:
    """Meta tensors have none: a step, an update and every quantity get by without."""
    stack = stack_of(three_runs(*row, "probe=ledger"))
    net = stack.build().to("meta")
    home, optimizer = StackParameters(net), stack.optimizer()
    engine = RecursionEngine(net, stack.loss, home, batch=16)
    part = stack.dataset.load().train
    x = torch.empty(3, 16, *part.x.shape[1:], device="meta")
    t = torch.empty(3, 16, *part.t.shape[1:], dtype=part.t.dtype, device="meta")
    assert engine(x, t).shape == (3,)
    cost, traces = engine.recorded(x, t)
    recorder = Recorder(home, net.activations, penalised=False, steady=engine.steady)
    record = recorder.before_update(traces, followed=True)
    optimizer.step(home.values.blocks, home.gradients.blocks)
    recorder.after_update()
    found = [number for quantity in stack.ledger.quantities for number in quantity(record)]
    assert {number.shape for number in found} == {(3, 3)}
    assert {tensor.device.type for tensor in (cost, *found)} == {"meta"}


@ROWS
def test_a_captured_step_is_the_step(row) -> None:
    """Replayed on other batches, whole trainings with records in between come out the same."""
    cells = three_runs(*row, "probe=ledger", "probe.every=7", "trainer.precision=64-true")
    # first, because the critical line is then computed on the CPU, and kept
    on_cpu = trained(cells)
    outcomes, graphs = on_gpu(cells)
    assert len(graphs) == 2  # a step, and a recorded step
    for found, wanted in zip(outcomes, on_cpu, strict=True):
        np.testing.assert_allclose(trajectory(found), trajectory(wanted), rtol=1e-10)
        for (step, table), (at, expected) in zip(found.recorded, wanted.recorded, strict=True):
            assert step == at
            np.testing.assert_allclose(table, expected, rtol=1e-8, atol=1e-300)


@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer.momentum=0.9", "optimizer.dampening=0.5"),
        ("optimizer=adam", "trainer.l1=0.01", "trainer.l2=0.02"),
    ],
    ids=["first step differs", "penalties"],
)
def test_what_an_update_remembers_is_in_the_graph(settings) -> None:
    """The capture itself is no step, every replay is one."""
    cells = three_runs(*settings, "trainer.max_steps=6", "trainer.precision=64-true")
    outcomes, graphs = on_gpu(cells)
    assert len(graphs) == 1
    for found, wanted in zip(outcomes, trained(cells), strict=True):
        for name, parameter in wanted.state.items():
            torch.testing.assert_close(found.state[name], parameter, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("batch", ["16", "null"])
def test_a_captured_step_of_runs_with_data_of_their_own(batch) -> None:
    """The last run leaves early; the graph is fed every run's own examples before and after."""
    settings = (f"trainer.batch_size={batch}", "trainer.precision=64-true", "loss=squared_error")
    own = {"data.seed": (0, 1, 2), "optimizer.lr": (0.01, 0.02, 1e200)}
    cells = vary(cell(*settings), {"seed": (0, 1, 2), **own})
    outcomes, graphs = on_gpu(cells)
    assert len(graphs) > 1
    assert outcomes[2].status == "diverged"
    for found, wanted in zip(outcomes[:2], trained(cells[:2]), strict=True):
        np.testing.assert_allclose(trajectory(found), trajectory(wanted), rtol=1e-10)


def test_who_leaves_is_not_in_the_next_graph() -> None:
    """A diverging run is dropped, the step is captured anew, and its neighbours go on."""
    like = cell("loss=squared_error", "activation=relu", "initializer=he")
    cells = vary(like, {"optimizer.lr": (0.01, 1e20, 0.02), "seed": (0, 1, 2)})
    outcomes, graphs = on_gpu(cells)
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged", "finished"]
    assert len(graphs) > 1
    alone = trained([cells[2]])[0]
    np.testing.assert_allclose(trajectory(outcomes[2]), trajectory(alone), rtol=1e-4)


def test_the_record_tells_the_gpu(monkeypatch) -> None:
    """Its name, not that of the CPU to which Lightning moves the network back.

    ``trainer.subnormals=flush`` is a setting of a processor, so that on a GPU they are kept.
    """
    monkeypatch.setattr(torch, "set_flush_denormal", lambda wanted: True)
    cells = [cell("trainer.subnormals=flush")]
    assert trained(cells)[0].facts["subnormals"] == "flush"
    (outcome,), _ = on_gpu(cells)
    assert outcome.facts["device"] == "emulated GPU"
    assert outcome.facts["subnormals"] == "keep"


def test_no_other_accelerator_is_chosen(monkeypatch) -> None:
    """Where torch knows one that is not CUDA, as on a Mac, the CPU trains: it has float64."""
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr(
        "pytorch_lightning.accelerators.MPSAccelerator.is_available", staticmethod(lambda: True)
    )
    (outcome,) = trained([cell("probe=ledger", "trainer.accelerator=auto")])
    assert outcome.facts["device"].startswith("cpu")


@pytest.mark.parametrize(
    ("train_there", "before", "while_training"),
    [(on_gpu, None, ":4096:8"), (on_gpu, ":16:8", ":16:8"), (trained, None, None)],
)
def test_a_later_stack_may_be_deterministic(
    train_there, before, while_training, monkeypatch
) -> None:
    """torch asks once whether cuBLAS may be, at the first product, so the first stack already says yes."""
    seen, start = [], StackModule.on_fit_start

    def look(module: StackModule) -> None:
        seen.append(os.environ.get("CUBLAS_WORKSPACE_CONFIG"))
        start(module)

    monkeypatch.setattr(StackModule, "on_fit_start", look)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before or "")  # so that it is undone afterwards
    if before is None:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    train_there([cell()])
    assert seen == [while_training]


def transfers(monkeypatch, depth: int, runs: int, writer: CurveWriter | None = None) -> int:
    """How often a training copies something from the device."""
    count, copy = itertools.count(), torch.Tensor.cpu
    like = cell("probe=ledger", f"model.depth={depth}")
    stack = stack_of(vary(like, {"seed": range(runs)}))
    with monkeypatch.context() as counting:
        counting.setattr(torch.Tensor, "cpu", lambda tensor: (next(count), copy(tensor))[1])
        train(stack, [[] if writer is None else [writer] for _ in range(runs)])
    return next(count)


def test_what_is_kept_comes_in_few_transfers(monkeypatch, tmp_path) -> None:
    """The number of runs asks for no more of them, and the depth for histograms alone."""
    few = transfers(monkeypatch, depth=3, runs=2)
    back = 2 * 6  # Lightning moves the weights and biases of six more layers back
    assert transfers(monkeypatch, depth=9, runs=5) == few + back
    with closing(TensorBoard().open(tmp_path)) as writer:
        shown = [transfers(monkeypatch, 3, runs, writer) for runs in (2, 5)]
    assert (
        shown == [few + 2 * 2 * 4] * 2
    )  # at the start and at the end, a and the gradient of 4 layers


class Indexed(TorchFunctionMode):
    """Notes what kinds of things tensors are indexed with."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: set[type] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func.__name__ == "__getitem__":
            self.kinds.add(type(args[1]))
        return func(*args, **(kwargs or {}))


def test_vanished_gradients_are_not_chosen_by_arrays_of_the_host() -> None:
    """Each of those is a copy to the device for every layer."""
    deep = ("activation=sigmoid", "model.depth=70", "trainer.max_steps=1", "probe=ledger")
    with Indexed() as indexed:
        (outcome,) = trained([cell(*deep)])
    ledger = outcome.ledger(stack_of([cell(*deep)]).ledger.columns)
    assert ledger["log10_delta_norm"].min() < -45  # below float32
    assert np.ndarray not in indexed.kinds
    assert torch.Tensor in indexed.kinds


def test_no_garbage_is_collected_inside_a_capture(monkeypatch) -> None:
    """A dead graph that the collector finds is freed before a capture, and none during it."""
    seen = []

    class Garbage:
        def __init__(self) -> None:
            self.myself = self

    @contextmanager
    def watched(graph):
        seen.append((garbage[-1]() is None, gc.isenabled()))
        with capturing(graph):
            yield
        garbage.append(weakref.ref(Garbage()))

    garbage = [weakref.ref(Garbage())]
    monkeypatch.setattr("tests.training.emulated_device.capturing", watched)
    on_gpu(three_runs("probe=ledger"))
    assert seen == [(True, False)] * 2  # a recorded step, and a step
    assert gc.isenabled()


WAITS = {
    "a number": lambda there: there.sum().item(),
    "all numbers": lambda there: there.tolist(),
    "a copy": lambda there: there.cpu(),
    "a copy into memory": lambda there: torch.ones(3).copy_(there),
    "a copy to the device": lambda there: there.copy_(torch.ones(3)),
    "a mask": lambda there: there[there > 0],
    "a list": lambda there: torch.tensor([1.0, 2.0], device="cuda"),
}


@pytest.mark.parametrize("waits", WAITS)
def test_the_emulation_refuses_what_a_capture_would(waits) -> None:
    """Whatever the host waits for ends it."""
    with emulated_gpu():
        there = torch.ones(3, device="cuda")
        with pytest.raises(AssertionError, match="the host waits"), capturing(EmulatedGraph()):
            WAITS[waits](there)


def test_the_emulation_refuses_what_a_gpu_would() -> None:
    """Tensors of the host beside those of the device, and NumPy on the device's memory."""
    with emulated_gpu():
        there = torch.ones(3, device="cuda")
        for mixed in (
            lambda: there + torch.ones(3),
            lambda: torch.stack([there.sum(), torch.tensor(1.0)]),
            lambda: torch.tensor(1.0).add_(there.sum()),
            lambda: torch.sum(there, 0, out=torch.tensor(0.0)),
        ):
            with pytest.raises(RuntimeError, match="of the host and of the device"):
                mixed()
        with pytest.raises(TypeError, match="NumPy"):
            there.numpy()
        assert (there + torch.tensor(1.0)).device == CUDA
        assert (2 * there).cpu().tolist() == [2.0, 2.0, 2.0]


def test_the_emulation_computes_with_what_is_there_at_the_replay() -> None:
    """As a graph does: the memory of the capture, with later contents, and nothing at the capture."""
    graph, x, sum_of_all = EmulatedGraph(), torch.ones(3), torch.zeros(())
    with capturing(graph):
        y = (2 * x).sum()
        sum_of_all += y
    assert float(sum_of_all) == 0.0
    x.fill_(5.0)
    graph.replay()
    graph.replay()
    assert (float(y), float(sum_of_all)) == (30.0, 60.0)
