"""Advice for one network, checked on drawn ones: python scripts/advise.py activation=tanh model.depth=60."""

import sys

from experiments.app.advise import main

if __name__ == "__main__":
    sys.exit(main())
