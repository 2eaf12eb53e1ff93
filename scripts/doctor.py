"""What this machine can do for the laboratory, tried out: python scripts/doctor.py."""

import sys

from experiments.app.doctor import main

if __name__ == "__main__":
    sys.exit(main())
