"""Floor 8: the only place that knows Hydra. Doors, schema, config to objects, the launcher."""
