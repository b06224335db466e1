"""Preprocess: the configured data become arrays per split, and dataset.json."""

from truefit.stages import run
from truefit.stages.preprocess import preprocess

if __name__ == "__main__":
    run.run(preprocess)
