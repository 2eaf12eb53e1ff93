"""Backpropagation and its costs in plain NumPy and plain loops, written from the notes.

Knows nothing of the package. One example is a column, as in the notes; nothing is vectorised over
examples or runs.
"""

from itertools import pairwise

import numpy as np

SIGMAS = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
    ),
    "identity": (lambda z: z, np.ones_like),
}


def gradients(W, b, names, x, t):
    """(C, dC/dW, dC/db, deltas) for C = mean over examples of 1/2 |a^[L] - t|^2, note 003's way."""
    dW, db = [np.zeros_like(w) for w in W], [np.zeros_like(v) for v in b]
    deltas = [np.zeros((len(x), len(v))) for v in b]
    cost = 0.0
    for d, (example, target) in enumerate(zip(x, t, strict=True)):
        a, slopes = [example.reshape(-1, 1)], []
        for w, v, name in zip(W, b, names, strict=True):
            z = w @ a[-1] + v.reshape(-1, 1)
            a.append(SIGMAS[name][0](z))
            slopes.append(SIGMAS[name][1](z))
        error = a[-1] - target.reshape(-1, 1)
        cost += 0.5 * float(np.sum(error**2)) / len(x)
        delta = slopes[-1] * error / len(x)
        for k in reversed(range(len(W))):
            if k < len(W) - 1:
                delta = slopes[k] * (W[k + 1].T @ delta)
            deltas[k][d] = delta.ravel()
            dW[k] += delta @ a[k].T
            db[k] += delta.ravel()
    return cost, dW, db, deltas


def jacobian(W, b, names, example):
    """D^[L] W^[L] ... D^[2] W^[2] at one example, as matrices."""
    a, product = example.reshape(-1, 1), np.eye(len(example))
    for w, v, name in zip(W, b, names, strict=True):
        z = w @ a + v.reshape(-1, 1)
        a = SIGMAS[name][0](z)
        product = np.diag(SIGMAS[name][1](z).ravel()) @ w @ product
    return product


class Counted:
    """A number that counts the multiplications made with it; the additions that follow are free."""

    made = 0

    def __mul__(self, other):
        Counted.made += 1
        return Counted()

    def __add__(self, other):
        return Counted()

    __radd__ = __add__


def _counted(rows, columns):
    return [[Counted() for _ in range(columns)] for _ in range(rows)]


def _product(A, B):
    return [
        [sum((A[i][k] * B[k][j] for k in range(len(B))), 0) for j in range(len(B[0]))]
        for i in range(len(A))
    ]


def _diagonal(d, A):
    return [[d[i] * entry for entry in row] for i, row in enumerate(A)]


def multiplications(widths, way):
    """Multiplications of one example, found by doing the algorithm with counting numbers."""
    Counted.made = 0
    layers = [
        ([Counted() for _ in range(n)], _counted(n, n_prev)) for n_prev, n in pairwise(widths)
    ]

    def forward():
        a = _counted(widths[0], 1)
        for _, W in layers:
            a = _product(W, a)

    if way == "finite differences":
        for _ in range(2 * widths[0]):
            forward()
        return Counted.made
    forward()
    if way == "reverse":
        for _ in range(widths[-1]):
            Delta = _counted(widths[-1], 1)
            for D, W in reversed(layers):
                Delta = _product(list(map(list, zip(*W, strict=True))), _diagonal(D, Delta))
    elif way == "row":
        G = _diagonal(*layers[-1])
        for D, W in reversed(layers[:-1]):
            G = _product(G, _diagonal(D, W))
    elif way == "forward mode":
        J = _diagonal(*layers[0])
        for D, W in layers[1:]:
            J = _diagonal(D, _product(W, J))
    return Counted.made
