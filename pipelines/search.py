"""Search: tune the configuration on the training and validation splits."""

from truefit.stages import run

if __name__ == "__main__":
    run.run("truefit.stages.search.search")
