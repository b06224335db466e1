"""Repeat: the winner trained again over seeds and on fewer rows, if evaluation.repeats asks."""

from truefit import stage
from truefit.repeats import repeat

if __name__ == "__main__":
    stage.run(repeat)
