"""Evaluate: scores with intervals on every split, the gap, the verdict and the report."""

from truefit.stages import run
from truefit.stages.evaluate import evaluate

if __name__ == "__main__":
    run.run(evaluate)
