"""What deploy/kubernetes/ says, as plain data, and its commands as they would be run in a pod."""

import re
from pathlib import Path
from typing import Any

import yaml

__all__ = ["KUBERNETES", "VALUES", "command", "container", "environment", "objects", "pods"]

KUBERNETES = Path(__file__).resolve().parents[1] / "deploy" / "kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((KUBERNETES / "values.yaml").read_text())


def objects(kind: str = "") -> list[dict[str, Any]]:
    """Everything that the kustomization lists, or what is of that kind."""
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    found = [one for name in listed for one in yaml.safe_load_all((KUBERNETES / name).read_text())]
    return [one for one in found if kind in ("", one["kind"])]


def pods() -> dict[str, dict[str, Any]]:
    """Name -> the pod template of each Deployment and StatefulSet, with its namespace."""
    made = [*objects("Deployment"), *objects("StatefulSet")]
    return {
        one["metadata"]["name"]: one["spec"]["template"] | {"namespace": one["metadata"]["namespace"]}
        for one in made
    }


def container(pod: str, name: str) -> dict[str, Any]:
    """That container of that pod."""
    return next(one for one in pods()[pod]["spec"]["containers"] if one["name"] == name)


def environment(found: dict[str, Any], secrets: dict[tuple[str, str], str]) -> dict[str, str]:
    """The container's variables; `secrets` maps (Secret, key) to what it holds."""
    values = {}
    for one in found.get("env", []):
        secret = one.get("valueFrom", {}).get("secretKeyRef")
        values[one["name"]] = secrets[secret["name"], secret["key"]] if secret else one["value"]
    return values


def command(found: dict[str, Any], variables: dict[str, str] | None = None) -> list[str]:
    """Its command line, `$(NAME)` replaced as Kubernetes does."""
    words = [*found["command"], *found.get("args", [])]
    return [re.sub(r"\$\((\w+)\)", lambda name: (variables or {})[name[1]], word) for word in words]
