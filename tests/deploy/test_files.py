"""What deploy/ holds is well formed, means the same everywhere, and names only what there is."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from traitlets.config import PyFileConfigLoader

from deploy_files import DEPLOY, ROOT, SECRET, STARTS, container, manifests, read
from nbannot import cli
from nbannot.hub import serve

KUBERNETES = "1.33.0"


# Form.


def values_schema() -> Any:
    return yaml.safe_load((Path(__file__).with_name("values.schema.yaml")).read_text(encoding="utf-8"))


def test_the_values_fit_the_chart() -> None:
    jsonschema.validate(read("z2jh/values.yaml"), values_schema())


def test_a_misplaced_value_would_be_found() -> None:
    values = read("z2jh/values.yaml")
    values["proxy"]["networkPolicy"] = values["proxy"]["chp"].pop("networkPolicy")
    with pytest.raises(jsonschema.ValidationError, match="networkPolicy"):
        jsonschema.validate(values, values_schema())


@pytest.mark.parametrize("kind", ["Deployment", "Service", "NetworkPolicy"])
def test_kubernetes_knows_every_field(kind: str) -> None:
    manifest = manifests()[kind]
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    wrong = copy.deepcopy(manifest)
    wrong["spec"]["policyType"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="policyType"):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def compose_says(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_compose_knows_every_field(tmp_path: Path) -> None:
    said = compose_says(DEPLOY / "compose.yaml")
    assert said.returncode == 0, said.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(
        (DEPLOY / "compose.yaml").read_text(encoding="utf-8").replace("depends_on:", "depend_on:")
    )
    assert compose_says(wrong).returncode == 1


# The service starts with these settings.


@pytest.mark.parametrize("name", sorted(STARTS))
def test_the_service_takes_these_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real parser and the real check; only the server itself is not started."""
    start = STARTS[name]()
    seen: list[serve.Settings] = []

    def run(settings: serve.Settings) -> int:
        serve.check(settings, start.environment)
        seen.append(settings)
        return 0

    monkeypatch.setattr(serve, "run", run)
    assert start.arguments[0] == "serve"
    assert cli.main(start.arguments) == 0
    (settings,) = seen
    given = [*settings.projects.values(), settings.database]
    named = [value.removeprefix("env:") for value in given if value.startswith("env:")]
    assert [name for name in named if name not in start.environment] == []
    assert settings.public_url == "https://hub.example.org"
    assert settings.owner == "ada"
    assert start.environment["JUPYTERHUB_SERVICE_PREFIX"] == "/services/nbannot/"


def test_every_variable_is_one_that_the_service_reads() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    ours = {name for start in STARTS.values() for name in start().environment}
    ours = {name for name in ours if name.startswith(("JUPYTERHUB_", "NBANNOT_", "PROMETHEUS_"))}
    assert "JUPYTERHUB_API_URL" in ours
    assert sorted(name for name in ours if not re.search(rf"\b{name}\b", source)) == []


def test_notebooks_are_told_the_address_in_the_same_way() -> None:
    address = "https://hub.example.org/services/nbannot"
    assert read("z2jh/values.yaml")["singleuser"]["extraEnv"] == {"NBANNOT_URL": address}
    assert "NBANNOT_URL" in (ROOT / "docs" / "hub.md").read_text(encoding="utf-8")


# The parts fit together.


def test_pods_find_each_other() -> None:
    found, values = manifests(), read("z2jh/values.yaml")
    pod = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    (port,) = (entry["containerPort"] for entry in container()["ports"])
    assert found["Deployment"]["spec"]["selector"]["matchLabels"].items() <= pod.items()
    assert found["Service"]["spec"]["selector"].items() <= pod.items()
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items() <= pod.items()
    assert pod["hub.jupyter.org/network-access-hub"] == "true"
    assert f"--port={port}" in container()["args"]
    assert (
        values["hub"]["services"]["nbannot"]["url"] == f"http://{found['Service']['metadata']['name']}:{port}"
    )
    for policy in (values["hub"]["networkPolicy"], values["proxy"]["chp"]["networkPolicy"]):
        (rule,) = policy["egress"]
        assert rule["to"][0]["podSelector"]["matchLabels"].items() <= pod.items()
        assert rule["ports"] == [{"protocol": "TCP", "port": port}]
    (inward,) = found["NetworkPolicy"]["spec"]["ingress"]
    assert {entry["podSelector"]["matchLabels"]["component"] for entry in inward["from"]} == {"proxy", "hub"}
    (token,) = (entry for entry in container()["env"] if "valueFrom" in entry)
    assert token["valueFrom"]["secretKeyRef"] == {"name": "hub", "key": "hub.services.nbannot.apiToken"}


def test_probes_ask_where_the_service_answers() -> None:
    prefix = STARTS["kubernetes"]().environment["JUPYTERHUB_SERVICE_PREFIX"]
    for probe in ("startupProbe", "readinessProbe"):
        assert container()[probe]["httpGet"] == {"path": f"{prefix}health", "port": "http"}
    assert (
        f"http://127.0.0.1:9210{prefix}health"
        in read("compose.yaml")["services"]["service"]["healthcheck"]["test"][-1]
    )


def test_no_file_holds_a_password() -> None:
    for file in (file for file in DEPLOY.rglob("*.y*ml") if "node_modules" not in file.parts):
        text = re.sub(r"(?m)#.*$", "", file.read_text(encoding="utf-8"))
        assert re.findall(r"(?i)(?:password|secret|token)\w*:\s+(?!\$\{|$)\w{6,}", text) == [], file
        assert re.findall(r"://\w+:(?!\$\{)[^@/\s]+@", text) == [], file


# Hubs.


def configured(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("NBANNOT_SERVICE_TOKEN", SECRET)
    monkeypatch.setenv("NBANNOT_HUB_FOLDER", str(tmp_path))
    file = DEPLOY / name
    return PyFileConfigLoader(file.name, path=str(file.parent)).load_config()


def test_every_hub_gives_the_same_roles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of jupyterhub_config.py are the ones that the tests with a real Hub try."""
    tried = configured("jupyterhub_config.py", monkeypatch, tmp_path).JupyterHub
    snippet = configured("tljh/nbannot.py", monkeypatch, tmp_path).JupyterHub
    chart = read("z2jh/values.yaml")["hub"]["loadRoles"]
    assert snippet.load_roles == tried.load_roles
    assert [{"name": name, **role} for name, role in chart.items()] == tried.load_roles
    (service,) = snippet.services
    assert service == {
        "name": "nbannot", "url": "http://127.0.0.1:9210", "api_token": SECRET, "oauth_no_confirm": True,
    }  # fmt: skip


def test_the_token_is_read_from_the_file_of_the_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NBANNOT_SERVICE_TOKEN", raising=False)
    monkeypatch.setenv("NBANNOT_SERVICE_ENV", str(tmp_path / "service.env"))
    loader = PyFileConfigLoader("nbannot.py", path=str(DEPLOY / "tljh"))
    with pytest.raises(ValueError, match=r"no token for nbannot.*service\.env"):
        loader.load_config()
    (tmp_path / "service.env").write_text(f"# made by hand\nJUPYTERHUB_API_TOKEN={SECRET}\n")
    loader = PyFileConfigLoader("nbannot.py", path=str(DEPLOY / "tljh"))
    assert loader.load_config().JupyterHub.services[0]["api_token"] == SECRET


class Someone:
    """A request of somebody in these groups."""

    def __init__(self, *groups: str) -> None:
        named = [type("Group", (), {"name": name}) for name in groups]
        self.current_user = type("User", (), {"groups": named})
        self.services = {"nbannot": type("Service", (), {"host": "", "prefix": "/services/nbannot/"})}


def test_experts_land_in_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = read("z2jh/values.yaml")["hub"]["extraConfig"]["nbannot-first-page"]
    chart: dict[str, Any] = {"c": type("C", (), {"JupyterHub": type("Hub", (), {})})}
    exec(compile(code, "values.yaml", "exec"), chart)
    pages = [
        chart["c"].JupyterHub.default_url,
        configured("tljh/nbannot.py", monkeypatch, tmp_path).JupyterHub.default_url,
        configured("jupyterhub_config.py", monkeypatch, tmp_path).JupyterHub.default_url,
    ]
    for page in pages:
        assert page(Someone("experts")) == "/services/nbannot/"
        assert page(Someone("experts", "researchers")) is None
        assert page(Someone()) is None


# Paths and names in words.


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.singleuser", "Dockerfile.hub"])
def test_images_install_what_there_is(name: str) -> None:
    text = (DEPLOY / "docker" / name).read_text(encoding="utf-8")
    assert "ARG BASE=python:3.12-slim\nFROM ${BASE}" in text
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    named = {extra for group in re.findall(r"\.whl\)\[([\w,]+)\]", text) for extra in group.split(",")}
    assert named <= set(extras)
    assert ("COPY nbannot-*.whl" in text) == bool(named)


def test_compose_mounts_and_builds_what_there_is() -> None:
    services = read("compose.yaml")["services"]
    for service in services.values():
        local = [volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith("./")]
        assert [path for path in local if not (DEPLOY / path).exists()] == []
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve().is_file()


def test_every_path_named_is_there() -> None:
    files = [file for file in DEPLOY.rglob("*") if file.is_file() and "node_modules" not in file.parts]
    files = [file for file in files if file.suffix != ".json"]
    named: set[str] = set()
    for file in [*files, ROOT / "docs" / "hub.md"]:
        named |= set(re.findall(r"(?<![\w/.])(?:deploy|docs)/[\w./-]*\w", file.read_text(encoding="utf-8")))
    assert {"deploy/k8s/nbannot.yaml", "docs/hub.md"} <= named
    assert sorted(path for path in named if path != "deploy/.env" and not (ROOT / path).exists()) == []
