"""Floor 6: training under Lightning. Import its modules by name: Lightning is slow to load."""
