"""The environment of a run beside that of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from truefit.core.resolved import Tree
from truefit.core.trees import targets
from truefit.tracking.records import Record
from truefit.verify.numbers import Apart, between, shown
from truefit.verify.verdict import Check, check

if TYPE_CHECKING:
    from truefit.config.schema import Config

ROOTS = ("truefit", "keras", "mlflow", "numpy", "optuna", "pandas", "scikit-learn", "tensorflow")
SAMPLERS = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}
HARDWARE = ("processor", "os")  # bits may hang on them, and are compared themselves


def same_environment(old: Record, now: Tree, config: Config) -> Check:
    """Python, backend, device, and the packages that truefit and what it needs rest on.

    Args:
        old: the run.
        now: this machine, as `provenance.environment`; `used` says which device was used.
        config: the run's, whose sampler and packages of its own may rest on others.
    """
    recorded: Tree = old.json("environment.json") or {}
    used = old.tags.get("device")
    on_gpu = used == "gpu" or now.get("used") == "gpu"
    names = dependencies(*ROOTS, str(recorded.get("backend")), *_of(config))

    def found() -> Iterator[Apart | None]:
        for key in ("python", "backend", "machine", "device"):
            yield between(key, recorded.get(key), now.get(key))
        yield between("device used", used, now.get("used", used))
        for key in ("name", "driver", "cuda") if on_gpu else ():
            yield between(f"GPU {key}", *(_gpus(known, key) for known in (recorded, now)))
        packages = [_canonical(one.get("packages") or {}) for one in (recorded, now)]
        for name in sorted({*packages[0], *packages[1]}):
            if name not in names and not (on_gpu and name.startswith("nvidia-")):
                continue
            yield between(f"package {name}", packages[0].get(name), packages[1].get(name))

    other = [
        f"{key} {shown(recorded.get(key))}" for key in HARDWARE if recorded.get(key) != now[key]
    ]
    notes = [f"recorded on other hardware: {', '.join(other)}"] if other else []
    there, here = (one.get("variables") for one in (recorded, now))
    if there is not None and there != here:
        notes.append(
            f"recorded with the variables {there}, here {here}: the last bits may depend on them"
        )
    return check("environment", found(), "; ".join(notes))


def _of(config: Config) -> list[str]:
    """Packages that this configuration rests on: those of its sampler, and the user's own."""
    named = {name.rpartition(".")[2] for name in targets(config["search"]["sampler"])}
    needed = [package for sampler, package in SAMPLERS.items() if sampler in named]
    known = packages_distributions()
    return [*needed, *(name for own in config["packages"] for name in known.get(own, []))]


def _gpus(known: Tree, key: str) -> list[str]:
    """What is said of the machine's GPUs, whatever their number: a training takes one."""
    return sorted({str(gpu.get(key)) for gpu in known.get("gpus") or []})


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
