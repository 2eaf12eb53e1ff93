"""Whether this thread computes with subnormal numbers, or takes them for 0."""

import sys


def are_flushed() -> bool:
    """Whether a result below the smallest normal number is 0, as after ``torch.set_flush_denormal(True)``.

    torch sets this state of the processor but does not tell it, so it is tried out.

    Example:
        >>> import torch
        >>> before = are_flushed()
        >>> able = torch.set_flush_denormal(True)
        >>> are_flushed() == able or before
        True
        >>> _ = torch.set_flush_denormal(before)
    """
    return sys.float_info.min / 2 == 0
