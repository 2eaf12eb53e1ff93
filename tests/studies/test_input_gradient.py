"""The exercise of notes 000 and 001 as a study, against autograd."""

from pathlib import Path

import pytest
import torch
from tests.app.command import train

from experiments.core.study import Findings
from experiments.reporting.collect import collect
from experiments.studies import InputGradient
from experiments.studies.reading.network import network_of
from experiments.studies.reading.rooms import dataset_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two depths of the study, one of them with layers whose numbers have two digits."""
    runs = tmp_path_factory.mktemp("runs")
    narrowed = ("activation=sigmoid,relu", "model.depth=2,12", "seed=0,1,2", "model.width=8")
    answer = train("study=input_gradient", f"runs_dir={runs}", *narrowed)
    assert answer.status == 0, answer.err
    return runs / "input_gradient"


@pytest.fixture(scope="module")
def found(folder: Path) -> Findings:
    """What the study says."""
    collection = collect(folder)
    return InputGradient().findings(collection.results, collection.ledger, folder)


def test_the_ways_agree_and_the_quotient_fails_where_the_gradient_is_small(found: Findings) -> None:
    """Both claims hold; central differences have no digits left at depth 12 with sigmoids alone."""
    assert [verdict.outcome for verdict in found.verdicts] == ["confirmed", "confirmed", "measured"]
    assert "In 12 networks" in found.verdicts[0].sentence
    table = found.tables[0].frame.set_index(["activation", "depth"])["finite differences"]
    assert table["relu", 2] < 1e-6
    assert table["sigmoid", 12] > 100 * table["sigmoid", 2]


def test_sizes_are_autograd_s(folder: Path, found: Findings) -> None:
    """The mean log10 norm of every group, from torch's own backward of torch's own layers."""
    rows = collect(folder).results
    shown = found.tables[0].frame.set_index(["activation", "depth"])["log10 ‖grad‖"]
    for (name, depth), mine in rows.groupby(["activation", "model.depth"]):
        sizes = []
        for _, row in mine.iterrows():
            net = network_of(row.to_dict(), folder, torch.float64)
            assert net is not None
            x = dataset_of(row.to_dict()).load().train.x[:4].double().requires_grad_()
            a = x
            for k, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
                z = a @ W.detach().T + b.detach()
                hidden = k < len(net.weights) - 1
                a = getattr(torch, str(name))(z) if hidden else z
            (gradient,) = torch.autograd.grad(a.sum(), x)
            sizes.append(gradient.norm(dim=-1).log10().mean())
        assert float(torch.stack(sizes).mean()) == pytest.approx(shown[name, depth], abs=1e-9)


def test_the_report_shows_the_notes_tables(found: Findings) -> None:
    """Golden numbers: exp(1) and its derivative, the tutorial's output, a factor of 25 a layer."""
    tables = {table.title: table.frame for table in found.tables}
    first = tables["Trace of f = exp(x²) at x = 1"]
    assert first["tangent"].tolist() == pytest.approx([1.0, 2.0, 2 * 2.718281828459045])
    network = tables["The tutorial's 2-2-3-1 network at x = (0.1, 0.5)"]
    assert network["value"].iloc[-1] == pytest.approx(0.792566411906, abs=1e-12)
    assert tables["The scalar chain, term by term"]["factor"].tolist() == [0.125, *[25.0] * 5]
    assert len(found.figures) == 6
