"""Train: one run, a sweep (-m), or a study (study=NAME). See --help."""

from experiments.app.train import main

if __name__ == "__main__":
    main()
