"""The files of deploy/, and how each of them starts the service."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
SECRET = "a-secret-of-the-tests-0123456789"
FROM_SECRETS = {"PROJECT": "postgresql://nbannot:x@db/nbannot?project=p", "AWS_ACCESS_KEY_ID": "x"}


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def manifests() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "k8s" / "nbannot.yaml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


def container() -> Any:
    (only,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return only


def filled(text: str) -> str:
    """What compose puts in for ${NAME:?}."""
    values = {"HUB_HOST": "hub.example.org", "OWNER": "ada"}
    return re.sub(r"\$\{(\w+):\?\}", lambda found: values.get(found[1], SECRET), text)


@dataclass(frozen=True)
class Start:
    """Arguments of `nbannot`, and the environment."""

    arguments: list[str]
    environment: Mapping[str, str]


def from_kubernetes() -> Start:
    one = container()
    own = {entry["name"]: entry.get("value", SECRET) for entry in one["env"]}
    return Start(one["args"], {**FROM_SECRETS, **own})


def from_compose() -> Start:
    service = read("compose.yaml")["services"]["service"]
    environment = {name: filled(value) for name, value in service["environment"].items()}
    return Start([filled(word) for word in service["command"]], environment)


def from_systemd() -> Start:
    lines = (DEPLOY / "tljh" / "nbannot.service").read_text(encoding="utf-8").splitlines()
    command = next(line for line in lines if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    own = dict(
        line.removeprefix("Environment=").split("=", 1) for line in lines if line[:12] == "Environment="
    )
    return Start(shlex.split(command)[1:], {"JUPYTERHUB_API_TOKEN": SECRET, **own})


def from_docs() -> Start:
    """The commands of docs/hub.md for an external service."""
    text = (ROOT / "docs" / "hub.md").read_text(encoding="utf-8")
    block = next(block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "nbannot serve" in block)
    words = shlex.split(block.replace("\\\n", " "), comments=True)
    start = words.index("nbannot")
    own = dict(word.split("=", 1) for word in words[:start] if "=" in word)
    return Start(words[start + 1 :], {**own, "JUPYTERHUB_API_TOKEN": SECRET})


STARTS = {"docs": from_docs, "kubernetes": from_kubernetes, "compose": from_compose, "systemd": from_systemd}
