"""The environment of a run beside that of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from truefit.core.trees import targets
from truefit.tracking.provenance import Environment
from truefit.tracking.records import Record
from truefit.verify.numbers import Apart, between, shown
from truefit.verify.verdict import Check, check

if TYPE_CHECKING:
    from truefit.config.schema import Config

ROOTS = ("truefit", "keras", "mlflow", "numpy", "optuna", "pandas", "scikit-learn", "tensorflow")
SAMPLERS = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}


def same_environment(
    old: Record, now: Environment, config: Config, device: str | None = None
) -> Check:
    """Python, backend, device, and the packages that truefit and what it needs rest on.

    Args:
        old: the run.
        now: this machine.
        config: the run's, whose sampler and packages of its own may rest on others.
        device: that the run made again has used; `None` where no training was made again.
    """
    recorded = Environment.of(old.json("environment.json") or {})
    used = old.tags.get("device")
    on_gpu = "gpu" in (used, device)
    names = dependencies(*ROOTS, str(recorded.backend), *_of(config))
    both = recorded, now

    def found() -> Iterator[Apart | None]:
        yield between("python", *(one.python for one in both))
        yield between("backend", *(one.backend for one in both))
        yield between("machine", *(one.machine for one in both))
        yield between("device", *(one.device for one in both))
        yield between("device used", used, device or used)
        if on_gpu:  # whatever the machine's number of them: a training takes one
            yield between("GPU name", *(sorted({gpu.name for gpu in one.gpus}) for one in both))
            yield between("GPU driver", *(sorted({gpu.driver for gpu in one.gpus}) for one in both))
            cuda = [sorted({str(gpu.cuda) for gpu in one.gpus}) for one in both]
            yield between("GPU cuda", *cuda)
        packages = [_canonical(one.packages) for one in both]
        for name in sorted({*packages[0], *packages[1]}):
            if name not in names and not (on_gpu and name.startswith("nvidia-")):
                continue
            yield between(f"package {name}", packages[0].get(name), packages[1].get(name))

    # Bits may depend on the hardware, and are compared themselves.
    hardware = (("processor", recorded.processor, now.processor), ("os", recorded.os, now.os))
    other = [f"{key} {shown(then)}" for key, then, here in hardware if then != here]
    notes = [f"recorded on other hardware: {', '.join(other)}"] if other else []
    if recorded.variables is not None and recorded.variables != now.variables:
        notes.append(
            f"recorded with the variables {recorded.variables}, here {now.variables}: the last "
            "bits may depend on them"
        )
    return check("environment", found(), "; ".join(notes))


def _of(config: Config) -> list[str]:
    """Packages that this configuration rests on: those of its sampler, and the user's own."""
    named = {name.rpartition(".")[2] for name in targets(config["search"]["sampler"])}
    needed = [package for sampler, package in SAMPLERS.items() if sampler in named]
    known = packages_distributions()
    return [*needed, *(name for own in config["packages"] for name in known.get(own, []))]


def _canonical(packages: dict[str, str]) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in packages.items()}


def dependencies(*roots: str) -> set[str]:
    """The packages that these need, and those that they need in turn, without extras."""
    seen: set[str] = set()
    queue: list[str] = [canonicalize_name(root) for root in roots]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            needed = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue
        wanted = [r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
        queue += [canonicalize_name(one.name) for one in wanted]
    return seen
