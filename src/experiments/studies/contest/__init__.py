"""Contests between heads: each at its best learning rate, seed by seed, and what they answer."""
