"""Floor 6: reading finished cells. Import its modules by name: matplotlib and torch load slowly."""
