"""Evaluate: scores with intervals on every split, the gap, the verdict and the report."""

from truefit.evaluation.measure import evaluate
from truefit.stages import run as stage

if __name__ == "__main__":
    stage.run(evaluate)
