"""Train: one training with the winner's parameters, on record with its model."""

from truefit import stage
from truefit.train import train_stage

if __name__ == "__main__":
    stage.run(train_stage)
