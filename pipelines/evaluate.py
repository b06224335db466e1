"""Evaluate: scores with intervals on every split, the gap, the verdict and the report."""

from truefit import stage
from truefit.evaluation import evaluate

if __name__ == "__main__":
    stage.run(evaluate)
