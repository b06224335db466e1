"""Evaluate: scores with intervals on every split, the gap, the verdict and the report."""

from truefit.stages import run

if __name__ == "__main__":
    run.run("truefit.stages.evaluate.evaluate")
