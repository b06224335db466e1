"""Preprocess: the configured data become arrays per split, and dataset.json."""

from truefit.stages import run

if __name__ == "__main__":
    run.run("truefit.stages.preprocess.preprocess")
