"""Train: one training with the winner's parameters, on record with its model."""

from truefit.stages import run
from truefit.stages.train import train_stage

if __name__ == "__main__":
    run.run(train_stage)
