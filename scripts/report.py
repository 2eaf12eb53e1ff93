"""Collect a sweep's cells, write its report: python scripts/report.py RUNS_DIR/NAME."""

import sys

from experiments.app.report import main

if __name__ == "__main__":
    sys.exit(main())
