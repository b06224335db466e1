"""Preprocess: the configured data become arrays per split, and dataset.json."""

from truefit.stages.preprocess import preprocess
from truefit.stages.run import run

if __name__ == "__main__":
    run(preprocess)
