"""Search: tune the configuration on the training and validation splits."""

from truefit.stages import run as stage
from truefit.stages.search import search

if __name__ == "__main__":
    stage.run(search)
