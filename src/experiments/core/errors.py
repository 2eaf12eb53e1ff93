"""The exception types of the house. Every message says: found, expected, remedy."""


class ConfigurationError(ValueError):
    """A setting that can be known to be wrong before any work starts."""


class DataError(ConfigurationError):
    """A data set that cannot be read: what was looked for, where, and how to get it."""


class CheckpointError(ConfigurationError):
    """A checkpoint that is missing, cut short, or made for another network."""


def describe(found: str, expected: str, remedy: str) -> str:
    """Join the three parts of every error message of the house.

    >>> describe("depth=-1", "a depth of 0 or more", "set model.depth=0 for a linear model")
    'found depth=-1; expected a depth of 0 or more; set model.depth=0 for a linear model'
    """
    return f"found {found}; expected {expected}; {remedy}"
