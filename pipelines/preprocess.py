"""Preprocess: the configured data become arrays per split, and dataset.json."""

from truefit.datasets.prepare import preprocess
from truefit.stages import run as stage

if __name__ == "__main__":
    stage.run(preprocess)
