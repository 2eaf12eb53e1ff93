"""One thin door: the stacked launcher."""
