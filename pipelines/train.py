"""Train: one training with the winner's parameters, on record with its model."""

from truefit.stages import run as stage
from truefit.stages.train import train_stage

if __name__ == "__main__":
    stage.run(train_stage)
