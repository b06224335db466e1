"""Compose: params.yaml and conf/ become resolved.yaml, which every other stage reads."""

from truefit.stages import run

if __name__ == "__main__":
    run.run("truefit.stages.compose.compose")
