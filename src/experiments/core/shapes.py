"""The names of axes in annotations, and of layers in logs and figures.

Annotations are jaxtyping strings, which the tests check at run time::

    runs      independent networks of one stack; optional, always the first axis.
              ``*runs`` is () for one network and (R,) for a stack
    batch     examples, one per row (the notes write one example as a column)
    n         neurons of this layer, n_l
    n_prev    neurons of the layer below, n_{l-1}
    n_next    neurons of the layer above, n_{l+1}
    n_in      input features, n_1
    n_out     neurons of the output layer, n_L

L in the notes counts the input, too: L = depth + 2, where ``depth`` is the number of *hidden* layers.
Lists have one entry per layer with weights: entry k belongs to layer l = k + 2 of the notes.
"""

FIRST_WEIGHT_LAYER = 2


def layer_name(k: int) -> str:
    """The name of list entry ``k`` in logs and figures, with the layer number of the notes.

    >>> layer_name(0)
    'layer_02'
    """
    return f"layer_{k + FIRST_WEIGHT_LAYER:02d}"
