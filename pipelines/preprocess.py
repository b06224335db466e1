"""Preprocess: the configured data become arrays per split, and dataset.json."""

from truefit import stage
from truefit.datasets.prepare import preprocess

if __name__ == "__main__":
    stage.run(preprocess)
