"""Repeat: the winner trained again over seeds and on fewer rows, if evaluation.repeats asks."""

from truefit.stages import run

if __name__ == "__main__":
    run.run("truefit.stages.repeat.repeat")
