"""Search: tune the configuration on the training and validation splits."""

from truefit import stage
from truefit.search.study import search

if __name__ == "__main__":
    stage.run(search)
