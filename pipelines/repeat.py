"""Repeat: the winner trained again over seeds and on fewer rows, if evaluation.repeats asks."""

from truefit.stages.repeat import repeat
from truefit.stages.run import run

if __name__ == "__main__":
    run(repeat)
