"""MNIST: 70,000 handwritten digits of 28 x 28 pixels.

::

    x in [0, 1]^784,   t in {0, ..., 9};   60,000 for training and validation, 10,000 for the test

References:
    LeCun, Bottou, Bengio & Haffner (1998), "Gradient-based learning applied to document
    recognition"; OpenML data set 554.
"""

from dataclasses import dataclass

from experiments.core.images import ImageDataset


@dataclass(frozen=True, kw_only=True)
class MNIST(ImageDataset):
    """Handwritten digits, read from files or downloaded by scikit-learn; arguments as in ImageDataset.

    Example:
        >>> MNIST(folder="/nowhere").load()
        Traceback (most recent call last):
        ...
        experiments.core.errors.DataError: found no train-images-idx3-ubyte, ...
    """

    torchvision_folder = "MNIST/raw"
    usual_places = ("data/MNIST/raw", "/usr/share/datasets/mnist")
    openml_name = "mnist_784"
    remedy = (
        "give data.folder=PATH, the folder with the files (a torchvision root will do), or, with a "
        "connection, data.folder=null: scikit-learn then fetches mnist_784 once into data_home"
    )
