"""Compose: params.yaml and conf/ become resolved.yaml, which every other stage reads."""

from truefit import stage
from truefit.compose import compose

if __name__ == "__main__":
    stage.run(compose)
