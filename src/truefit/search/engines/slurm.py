"""Workers as an array of SLURM jobs, submitted by submitit: one `truefit join` each.

Some time before a job's limit SLURM signals it; submitit raises an exception in it then, and a
worker that is left by an exception gives its slots back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import submitit

from truefit.core.errors import UserError
from truefit.core.paths import state_folder
from truefit.search.engines.crew import Crew, Farewell, help_out

if TYPE_CHECKING:
    from truefit.config.schema import SlurmEngine


@contextlib.contextmanager
def start(engine: SlurmEngine, say: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    """An array of jobs, and what submits another for each that has ended early.

    SLURM hands the environment of the one who submits to its jobs: no secret is in a file.

    Raises:
        UserError: SLURM is not here, or takes no job.
    """
    folder = str(Path.cwd())
    try:
        jobs = executor_of(engine)
        crew = Crew(engine["workers"], lambda: jobs.submit(help_out, folder, {}), _state, say)
        crew.workers = jobs.map_array(help_out, [folder] * crew.wanted, [{}] * crew.wanted)
    except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
        raise UserError(
            f"search.engine: SLURM takes no job: {error}\nSubmit where `sbatch` is, or "
            "try the same on this machine: `-S '++set.search.engine.name=slurm' "
            "-S '++set.search.engine.cluster=local'`"
        ) from None
    say(f"{engine['cluster']}: {crew.wanted} jobs; their output is in {jobs.folder}")
    try:
        yield crew.tend
        crew.say_farewell()
    finally:
        for job in crew.workers:
            job.cancel(check=False)


def executor_of(engine: SlurmEngine) -> submitit.AutoExecutor:
    """The executor of submitit with the engine's settings."""
    place = state_folder() / "jobs"
    executor = submitit.AutoExecutor(folder=place, cluster=engine["cluster"])
    executor.update_parameters(
        name="truefit",
        timeout_min=engine["minutes"],
        cpus_per_task=engine["cpus"],
        gpus_per_node=engine["gpus"],
        mem_gb=engine["memory"],
        slurm_array_parallelism=engine["workers"],
        slurm_signal_delay_s=engine["warning"],
        slurm_setup=engine["setup"],
    )
    if engine["partition"]:
        executor.update_parameters(slurm_partition=engine["partition"])
    return executor


def _state(job: submitit.Job[Farewell]) -> Farewell | None:
    if not job.done():
        return None
    if error := job.exception():
        return Farewell(str(error).strip().splitlines()[-1])
    return job.result()
