"""A Kubernetes Job whose pods are workers of the study: printed, for `kubectl apply -f -`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from truefit.core.errors import UserError

Manifest = dict[str, object]  # YAML, whose keys Kubernetes defines
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123, as Kubernetes asks for


@dataclass(frozen=True)
class Pods:
    """What the pods are: `workers` of them from `image`, which holds the project at `folder`.

    `secret` names a Secret with TRUEFIT_STORAGE, MLFLOW_TRACKING_URI and whatever else the workers
    have to know; nothing of it is in the manifest.
    """

    image: str
    workers: int = 4
    cpus: float = 2.0
    memory: float = 8.0  # GiB
    gpus: int = 0
    secret: str = "truefit"  # noqa: S105 - its name
    folder: str = "/project"
    name: str = "truefit-workers"


def manifest(pods: Pods) -> Manifest:
    """A Job of `batch/v1` that keeps `workers` pods at work until no slot is left.

    A pod that is evicted is replaced; one that ends well is not. Data come from the DVC remote.

    Raises:
        UserError: a name that Kubernetes refuses.
    """
    for what, name in (("name", pods.name), ("secret", pods.secret)):
        if not NAME.fullmatch(name):
            raise UserError(
                f"{what}: expected lower-case letters, digits and dashes, received {name!r}"
            )
    if not pods.image.strip():
        raise UserError(
            "image: expected an image with the project in it, such as registry.example.org/"
            f"project:1, received {pods.image!r}"
        )
    amount: dict[str, str | int] = {"cpu": f"{pods.cpus:g}", "memory": f"{pods.memory:g}Gi"}
    if pods.gpus:
        amount["nvidia.com/gpu"] = pods.gpus
    container = {
        "name": "worker",
        "image": pods.image,
        "workingDir": pods.folder,
        "command": ["sh", "-c", "dvc pull preprocess && exec truefit join"],
        "envFrom": [{"secretRef": {"name": pods.secret}}],
        "resources": {"requests": amount, "limits": amount},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": pods.name},
        "spec": {
            "parallelism": pods.workers,
            "completions": pods.workers,
            "backoffLimit": 10 * pods.workers,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "spec": {
                    "restartPolicy": "OnFailure",
                    "terminationGracePeriodSeconds": 60,  # in which a worker gives its slots back
                    "automountServiceAccountToken": False,
                    "containers": [container],
                }
            },
        },
    }
