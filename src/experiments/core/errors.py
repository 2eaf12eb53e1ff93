"""The exception types of the project. Every message says what was found and expected, and a remedy."""


class ConfigurationError(ValueError):
    """A wrong setting that is detected before any work starts."""


class DataError(ConfigurationError):
    """A data set that cannot be read; the message says what is missing, where, and how to get it."""


class CheckpointError(ConfigurationError):
    """A checkpoint that is missing, incomplete, or made for another network."""


def describe(found: str, expected: str, remedy: str) -> str:
    """The error message made of these three parts.

    >>> describe("depth=-1", "a depth of 0 or more", "set model.depth=0 for a linear model")
    'found depth=-1; expected a depth of 0 or more; set model.depth=0 for a linear model'
    """
    return f"found {found}; expected {expected}; {remedy}"
