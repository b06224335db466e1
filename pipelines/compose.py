"""Compose: params.yaml and conf/ become resolved.yaml, which every other stage reads."""

from truefit.stages.compose import compose
from truefit.stages.run import run

if __name__ == "__main__":
    run(compose)
