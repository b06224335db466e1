"""Train: one training with the winner's parameters, on record with its model."""

from truefit.stages import run

if __name__ == "__main__":
    run.run("truefit.stages.train.train_stage")
