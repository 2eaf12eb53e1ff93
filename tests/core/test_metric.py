"""What a metric may look at, for every form in which targets come."""

import pytest
import torch
from torch.nn.functional import one_hot

from experiments.core.metric import Answers
from experiments.losses import CrossEntropy, HalfSquaredError

CLASSES = torch.tensor([2, 0, 1, 1, 2])


@pytest.mark.parametrize("dtype", [torch.long, torch.uint8, torch.bool, torch.float32], ids=str)
def test_rows_name_the_class_of_their_largest_entry(dtype) -> None:
    """One-hot rows of any type, as the losses take them."""
    outputs = torch.randn(4, 5, 3)
    for loss in (CrossEntropy(), HalfSquaredError()):
        answers = Answers(outputs, one_hot(CLASSES, 3).to(dtype), loss)
        assert torch.equal(answers.classes, CLASSES)
        assert torch.equal(answers.right, outputs.argmax(-1) == CLASSES)


@pytest.mark.parametrize("dtype", [torch.long, torch.uint8, torch.float32], ids=str)
@pytest.mark.parametrize("examples", [3, 5])
def test_errors_are_those_of_the_classes(dtype, examples) -> None:
    """Rows give the same numbers as the classes they name, also as many rows as classes."""
    outputs, t = torch.randn(4, examples, 3), CLASSES[:examples]
    for loss in (CrossEntropy(), HalfSquaredError()):
        by_class, by_row = (Answers(outputs, form, loss) for form in (t, one_hot(t, 3).to(dtype)))
        assert by_class.errors.shape == outputs.shape
        torch.testing.assert_close(by_class.errors, by_row.errors, rtol=0, atol=0)


@pytest.mark.parametrize("t", [[0, 1, 1], [[0], [1], [1]], [0.2, 0.7, 1.0], [False, True, True]])
def test_one_output_has_the_classes_zero_and_one(t) -> None:
    """The target lies above 1/2 or not."""
    answers = Answers(torch.zeros(2, 3, 1), torch.tensor(t), HalfSquaredError("sigmoid"))
    assert answers.classes.tolist() == [0, 1, 1]


def test_raw_outputs_below_zero_have_no_probability() -> None:
    """Negative parts are cut off and the rest divided by its sum; even odds where nothing is left."""
    outputs = torch.tensor([[[3.0, -1.0, 1.0], [-1.0, -2.0, 0.0], [torch.nan, 1.0, 1.0]]])
    p = Answers(outputs[:, :2], CLASSES[:2], HalfSquaredError()).probabilities
    torch.testing.assert_close(p[0, 0], torch.tensor([0.75, 0.0, 0.25]).double())
    torch.testing.assert_close(p[0, 1], torch.full((3,), 1 / 3).double())
    assert Answers(outputs, CLASSES[:3], HalfSquaredError()).probabilities[0, 2].isnan().all()
