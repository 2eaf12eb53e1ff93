"""Step through a 2-2-3-1 network number by number.

Forward pass, backward pass, update, input gradient, and the same by automatic differentiation.
"""

import argparse

import torch

from experiments.backprop import tutorial_network, walkthrough
from experiments.losses import HalfSquaredError

if __name__ == "__main__":
    argparse.ArgumentParser(
        description="Step through a 2-2-3-1 network number by number; it takes no arguments."
    ).parse_args()
    x = torch.tensor([[0.1, 0.5]], dtype=torch.float64)
    t = torch.tensor([[1.0]], dtype=torch.float64)
    for line in walkthrough(tutorial_network(), x, t, HalfSquaredError()):
        print(line)
