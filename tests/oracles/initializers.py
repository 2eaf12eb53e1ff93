"""Promised variances, typed from the papers: (variance of a weight, variance of a bias) at a shape."""

#: room -> (n_l, n_{l-1}) -> variances of the room with its default arguments
VARIANCES = {
    "Constant": lambda n, n_prev: (1.0, 0.0),
    "Gaussian": lambda n, n_prev: (1 / n_prev, 0.0),
    "Glorot": lambda n, n_prev: (2 / (n + n_prev), 0.0),
    "He": lambda n, n_prev: (2 / n_prev, 0.0),
    "LeCun": lambda n, n_prev: (1 / n_prev, 0.0),
    "Normal": lambda n, n_prev: (1.0, 1.0),
    "Orthogonal": lambda n, n_prev: (1 / max(n, n_prev), 0.0),
    "TorchDefault": lambda n, n_prev: (1 / (3 * n_prev), 1 / (3 * n_prev)),
}
