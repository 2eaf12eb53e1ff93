"""Fashion-MNIST: 70,000 photographs of ten kinds of clothing, 28 x 28 pixels.

::

    x in [0, 1]^784,   t in {0, ..., 9};   60,000 for training and validation, 10,000 for the test

A replacement for MNIST, which is too easy to distinguish methods. MIT license; Debian ships the files as
the package dataset-fashion-mnist.

References:
    Xiao, Rasul & Vollgraf (2017), arXiv 1708.07747; OpenML data set 40996.
"""

from dataclasses import dataclass

from experiments.core.images import ImageDataset


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(ImageDataset):
    """Images of clothing, read from files or downloaded by scikit-learn; arguments as in ImageDataset.

    Example:
        >>> FashionMNIST(folder="/nowhere").load()
        Traceback (most recent call last):
        ...
        experiments.core.errors.DataError: found no train-images-idx3-ubyte, ...
    """

    torchvision_folder = "FashionMNIST/raw"
    usual_places = ("data/FashionMNIST/raw", "/usr/share/datasets/fashion-mnist")
    openml_name = "Fashion-MNIST"
    remedy = (
        "install the Debian package dataset-fashion-mnist (apt install, or apt download and "
        "dpkg-deb -x), or give data.folder=PATH, the folder with the files (a torchvision root will "
        "do), or, with a connection, data.folder=null: scikit-learn then fetches Fashion-MNIST once "
        "into data_home"
    )
