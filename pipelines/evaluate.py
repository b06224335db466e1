"""Evaluate: scores with intervals on every split, the gap, the verdict and the report."""

from truefit.stages.evaluate import evaluate
from truefit.stages.run import run

if __name__ == "__main__":
    run(evaluate)
