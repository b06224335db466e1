"""Search: tune the configuration on the training and validation splits."""

from truefit.stages import run
from truefit.stages.search import search

if __name__ == "__main__":
    run.run(search)
