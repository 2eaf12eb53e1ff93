"""Backpropagation written by hand, exactly as in the notes, and a small automatic differentiation engine.

Nothing here uses autograd, the probes or the theory, so that agreement with them is evidence.
"""

from experiments.backprop.agreement import Way, gradient_agreement
from experiments.backprop.buffers import BackpropagationBuffers
from experiments.backprop.chain import ChainTerm, active_window, scalar_chain, widest_window
from experiments.backprop.cost import MultiplyAdds, multiply_adds
from experiments.backprop.descent import fit
from experiments.backprop.dual import Dual, forward_derivative
from experiments.backprop.float_survival import GradientSurvival, Survival, survival
from experiments.backprop.forward import ForwardPass, forward_pass
from experiments.backprop.gradients import Backpropagation
from experiments.backprop.jacobian import (
    PartialProduct,
    forward_products,
    input_jacobian,
    partial_products,
)
from experiments.backprop.parameter_jacobian import parameter_jacobian
from experiments.backprop.recursion import backpropagate
from experiments.backprop.scalar_network import ScalarNetwork
from experiments.backprop.scaling import ScaledBackpropagation, scaled_backpropagate
from experiments.backprop.sensitivity import InputGradientTrace, input_gradient
from experiments.backprop.stabilisation import Descent
from experiments.backprop.tape import Node, Tape
from experiments.backprop.tracing import (
    SweptJacobian,
    TraceRow,
    TraceTable,
    forward_jacobian,
    reverse_jacobian,
    trace_table,
)
from experiments.backprop.tutorial import tutorial_network, walkthrough

__all__ = [
    "Backpropagation",
    "BackpropagationBuffers",
    "ChainTerm",
    "Descent",
    "Dual",
    "ForwardPass",
    "GradientSurvival",
    "InputGradientTrace",
    "MultiplyAdds",
    "Node",
    "PartialProduct",
    "ScalarNetwork",
    "ScaledBackpropagation",
    "Survival",
    "SweptJacobian",
    "Tape",
    "TraceRow",
    "TraceTable",
    "Way",
    "active_window",
    "backpropagate",
    "fit",
    "forward_derivative",
    "forward_jacobian",
    "forward_pass",
    "forward_products",
    "gradient_agreement",
    "input_gradient",
    "input_jacobian",
    "multiply_adds",
    "parameter_jacobian",
    "partial_products",
    "reverse_jacobian",
    "scalar_chain",
    "scaled_backpropagate",
    "survival",
    "trace_table",
    "tutorial_network",
    "walkthrough",
    "widest_window",
]
