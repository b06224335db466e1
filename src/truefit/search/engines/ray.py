"""Workers as actors of a Ray cluster: one `truefit join` each, spread over its nodes."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from truefit.core.errors import UserError
from truefit.search.engines.crew import Crew, Farewell, environment, help_out
from truefit.training.process.pool import CORES, SHARE

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

    from truefit.config.schema import RayEngine


class Helper:
    """An actor that takes slots until none is left."""

    def run(self, folder: str, variables: dict[str, str]) -> Farewell:
        """See `help_out`; Ray has set CUDA_VISIBLE_DEVICES."""
        return help_out(folder, variables)


@dataclass(frozen=True)
class RayWorker:
    """An actor, and the promise of its end."""

    actor: ActorHandle[Helper]
    end: ObjectRef[Farewell]


@contextlib.contextmanager
def start(engine: RayEngine, say: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    """Actors on the cluster at `engine["address"]`, and what replaces those whose node dies.

    Raises:
        UserError: there is no such cluster, or no node is large enough for a worker.
    """
    folder = engine["folder"] or str(Path.cwd())
    # Code of this work tree, not of another that is installed there.
    paths = {"env_vars": {"PYTHONPATH": f"{folder}/src{os.pathsep}{folder}"}}
    try:
        ray.init(
            address=engine["address"],
            runtime_env=paths,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RayError, ValueError) as error:
        raise UserError(
            f"search.engine: no Ray cluster answers at {engine['address']}: {error}\n"
            "`ray start --head` starts one, and search.engine.address names it"
        ) from None
    try:
        nodes = _fitting(engine)
        say(f"Ray: {engine['workers']} workers on {nodes} nodes that are large enough")
        crew = Crew(engine["workers"], lambda: _start(engine, folder), _state, say)
        crew.workers = [crew.start() for _ in range(crew.wanted)]
        try:
            yield crew.tend
            crew.say_farewell()
        finally:
            for worker in crew.workers:
                ray.kill(worker.actor)
    finally:
        ray.shutdown()


def _fitting(engine: RayEngine) -> int:
    """How many nodes have room for a worker."""
    known: list[dict[str, Any]] = ray.nodes()
    nodes = [node["Resources"] for node in known if node["Alive"]]
    enough = [
        node
        for node in nodes
        if node.get("CPU", 0) >= engine["cpus"] and node.get("GPU", 0) >= engine["gpus"]
    ]
    if not enough:
        largest = max((node.get("CPU", 0), node.get("GPU", 0)) for node in nodes)
        raise UserError(
            f"search.engine: a worker asks for cpus: {engine['cpus']:g} and gpus: "
            f"{engine['gpus']:g}, and the largest node has {largest[0]:g} and {largest[1]:g}"
        )
    return len(enough)


def _start(engine: RayEngine, folder: str) -> RayWorker:
    known = environment() | {CORES: str(engine["cpus"])}
    if 0 < engine["gpus"] < 1:
        known[SHARE] = str(engine["gpus"])
    if engine["folder"]:
        known["DVC_ROOT"] = folder
    made: Any = ray.remote(  # which has its methods from the class when it runs
        num_cpus=engine["cpus"], num_gpus=engine["gpus"], scheduling_strategy="SPREAD"
    )(Helper)
    actor = made.remote()
    return RayWorker(actor, actor.run.remote(folder, known))


def _state(worker: RayWorker) -> Farewell | None:
    ready, _ = ray.wait([worker.end], timeout=0)
    if not ready:
        return None
    try:
        return ray.get(worker.end)
    except RayError as error:
        ray.kill(worker.actor)
        return Farewell(f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}")
