"""Backpropagation in 40 digits with unbounded exponents, neuron by neuron, from the notes' formulas.

Knows nothing of the package: weights come as nested lists, activations as pairs of functions.
"""

from mpmath import exp, expm1, log10, mpf, sqrt, tanh, workdps

DIGITS = 40

ACTIVATIONS = {
    "sigmoid": (
        lambda z: 1 / (1 + exp(-z)),
        lambda z: exp(-abs(z)) / (1 + exp(-abs(z))) ** 2,
    ),
    "tanh": (tanh, lambda z: 1 - tanh(z) ** 2),
    "relu": (lambda z: max(z, mpf(0)), lambda z: mpf(z > 0)),
    "elu": (lambda z: z if z > 0 else expm1(z), lambda z: mpf(1) if z > 0 else exp(z)),
    "identity": (lambda z: z, lambda z: mpf(1)),
}


@workdps(DIGITS)
def log10_norms(weights, biases, names, x, t):
    """log10 Frobenius norms of delta^[l] and dC/dW^[l] for C = mean of 1/2 sum (a - t)^2.

    Args:
        weights: W^[2], ..., W^[L] as lists of rows.
        biases: b^[2], ..., b^[L].
        names: the activation of every layer with weights.
        x: examples, one per row.
        t: target values, one row per example.
    """
    W = [[[mpf(w) for w in row] for row in matrix] for matrix in weights]
    b = [[mpf(v) for v in vector] for vector in biases]
    squares = [mpf(0)] * len(W)
    gradients = [[[mpf(0)] * len(m[0]) for _ in m] for m in W]
    for example, target in zip(x, t, strict=True):
        a, D = [[mpf(v) for v in example]], []
        for matrix, vector, name in zip(W, b, names, strict=True):
            value, derivative = ACTIVATIONS[name]
            z = [
                sum((w * v for w, v in zip(row, a[-1], strict=True)), bias)
                for row, bias in zip(matrix, vector, strict=True)
            ]
            a.append([value(v) for v in z])
            D.append([derivative(v) for v in z])
        grad_a = [(v - mpf(y)) / len(x) for v, y in zip(a[-1], target, strict=True)]
        for k in reversed(range(len(W))):
            delta = [g * d for g, d in zip(grad_a, D[k], strict=True)]
            squares[k] += sum(v * v for v in delta)
            for j, row in enumerate(gradients[k]):
                for i in range(len(row)):
                    row[i] += delta[j] * a[k][i]
            grad_a = [
                sum((delta[j] * W[k][j][i] for j in range(len(delta))), mpf(0))
                for i in range(len(a[k]))
            ]
    return (
        [_log10(sqrt(s)) for s in squares],
        [_log10(sqrt(sum(v * v for row in g for v in row))) for g in gradients],
    )


def _log10(number):
    return float(log10(number)) if number > 0 else float("-inf")
