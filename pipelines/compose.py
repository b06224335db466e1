"""Compose: params.yaml and conf/ become resolved.yaml, which every other stage reads."""

from truefit.stages import run
from truefit.stages.compose import compose

if __name__ == "__main__":
    run.run(compose)
