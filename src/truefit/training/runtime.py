"""Threads, devices and determinism of the process that trains."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from truefit.config.schema import Runtime


def set_up(runtime: Runtime) -> None:
    """Threads, devices, and operations that repeat bit for bit; once in a process."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        tf.config.threading.set_intra_op_parallelism_threads(runtime["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(runtime["threads"])
        if runtime["device"] == "cpu":
            tf.config.set_visible_devices([], "GPU")
        if not tf.config.get_visible_devices("GPU"):
            # Grappler costs more at the first step than it ever saves on a CPU.
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        if runtime["deterministic"]:
            tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415

        torch.set_num_threads(runtime["threads"])
        torch.use_deterministic_algorithms(runtime["deterministic"], warn_only=True)
    else:
        os.environ["NPROC"] = str(runtime["threads"])  # which XLA reads when JAX first computes
