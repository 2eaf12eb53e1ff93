"""The axis names used in annotations, with their meaning.

Annotations are jaxtyping strings, checked at run time by the tests::

    runs      independent networks of one stack; optional, always the leading axis.
              ``*runs`` is () for one network and (R,) for a stack
    batch     examples, one per row (the notes write one example as a column)
    n         neurons of this layer, n_l
    n_prev    neurons of the layer below, n_{l-1}
    n_next    neurons of the layer above, n_{l+1}
    n_in      input features, n_1
    n_out     neurons of the output layer, n_L

The notes' L counts the input: L = depth + 2, where ``depth`` is the number of *hidden* layers.
Lists run over the layers with weights: entry k belongs to the notes' layer l = k + 2.
"""

FIRST_WEIGHT_LAYER = 2


def layer_name(k: int) -> str:
    """The notes' layer number of list entry ``k``, as logs and figures write it.

    >>> layer_name(0)
    'layer_02'
    """
    return f"layer_{k + FIRST_WEIGHT_LAYER:02d}"
