"""Ground floor: contracts, shapes, seeding, errors. Knows nobody above it."""
