"""The rows of scripts/benchmark.py: what is measured against what."""
