"""What is tried before the first training, so that nobody waits for a result that is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from truefit.core.errors import UserError
from truefit.core.paths import PREPARED
from truefit.core.resolved import Params
from truefit.training.process.child import Job
from truefit.training.process.trainer import Trainer

if TYPE_CHECKING:
    from truefit.config.schema import Config

ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}  # which is there at once


def require_saving(trainer: Trainer, config: Config, choices: tuple[Params, ...] = ({},)) -> None:
    """Refuse a model that is lost by saving it; a child builds it, untrained, and tries.

    Args:
        trainer: of the configured backend.
        config: the resolved configuration.
        choices: parameters of a trial; one model is built with each of them in place. One that
            cannot be built is for its training to explain.

    Raises:
        UserError: a model does not load again, or predicts otherwise then.
    """
    job = Job(config, PREPARED, config["seed"], tries_saving=choices)
    lost = trainer.run(job, lambda _: None, ON_CPU).lost
    if lost:
        texts = {key: value for key, value in lost.params.items() if isinstance(value, str)}
        given = "".join(f", {key}={value}" for key, value in texts.items())
        raise UserError(
            f"model {config['model']['_target_']}{given}: expected one that answers each row by "
            f"itself, and loads again once it is saved; {lost.why}, then `dvc repro`"
        )
