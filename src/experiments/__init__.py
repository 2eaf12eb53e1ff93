"""A laboratory for gradient flow in fully-connected networks.

Floors, from the ground up (imports point down only)::

    core -> activations | losses | initializers | data -> layers -> models
         -> theory | probes | backprop -> training | reporting -> studies -> app
"""

__version__ = "0.1.0"
