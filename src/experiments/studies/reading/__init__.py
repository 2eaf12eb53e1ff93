"""What studies share: networks rebuilt from rows, their theory, their groups, and the words of verdicts."""
