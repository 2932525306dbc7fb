"""A JupyterHub with nbannot: researchers with Lab and notebooks, experts with the reader's page only.

`make hub` runs it on loopback with demo people. For a real Hub, take over the two marked parts and read
docs/hub.md. Works with JupyterHub 5.2 and later, 6 included.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ.get("NBANNOT_HUB_FOLDER", HERE.parent / "demo-hub")).resolve()
PORT = int(os.environ.get("NBANNOT_HUB_PORT", "8000"))
API_PORT, PROXY_PORT, SERVICE_PORT = (
    int(os.environ.get(name, default))
    for name, default in (
        ("NBANNOT_HUB_API_PORT", PORT + 81), ("NBANNOT_PROXY_API_PORT", PORT + 1), ("NBANNOT_SERVICE_PORT", PORT + 10)
    )
)  # fmt: skip
WORK.mkdir(mode=0o700, parents=True, exist_ok=True)

# --- 1 of 2: who may what. Take this over into a real Hub. -------------------------------------------

RESEARCHERS, EXPERTS = "researchers", "experts"
USE = "access:services!service=nbannot"

c.JupyterHub.load_roles = [
    # The Hub lets everybody start servers and make tokens by default. Experts must not: so the role that
    # everybody has is reduced to what a login needs, and researchers get the rest by their group.
    {"name": "user", "scopes": ["read:users:name!user", "read:users:groups!user"]},
    {"name": "researcher", "groups": [RESEARCHERS], "scopes": ["self", USE]},
    {"name": "expert", "groups": [EXPERTS], "scopes": [USE]},
    # Notebooks reach the service with the token of their server.
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", USE]},
]


def first_page(handler):
    """Experts land in the service; everybody else where the Hub sends them."""
    user = handler.current_user
    groups = {group.name for group in user.groups} if user else set()
    if EXPERTS in groups and RESEARCHERS not in groups:
        service = handler.services["nbannot"]
        # Unlike its href this has the port, where the service has a subdomain.
        return service.host + service.prefix
    return None


c.JupyterHub.default_url = first_page
# Pages without the buttons that experts may not use.
c.JupyterHub.template_paths = [str(HERE / "templates")]

# --- 2 of 2: the service. A real Hub runs it on its own (docs/hub.md: an external service). -----------

projects = os.environ.get("NBANNOT_PROJECT", f"demo={WORK / 'project'}")
service = {
    "name": "nbannot",
    "url": f"http://127.0.0.1:{SERVICE_PORT}",
    "oauth_no_confirm": True,
}
if os.environ.get("NBANNOT_SERVICE_TOKEN"):
    service["api_token"] = os.environ["NBANNOT_SERVICE_TOKEN"]
if os.environ.get("NBANNOT_SERVICE", "managed") == "managed":
    service["command"] = [
        os.environ.get("NBANNOT_PYTHON", sys.executable), "-m", "nbannot.cli", "serve", "--project", projects,
        "--owner", os.environ.get("NBANNOT_OWNER", "ada"),
        "--database", os.environ.get("NBANNOT_DATABASE", f"sqlite:///{WORK / 'service.sqlite'}"),
    ]  # fmt: skip
    service["cwd"] = str(WORK)
    service["environment"] = {
        name: os.environ[name] for name in ("PYTHONPATH", "PATH", "NBANNOT_PROJECT_URL") if name in os.environ
    }
c.JupyterHub.services = [service]
if os.environ.get("NBANNOT_TEST_TOKEN"):
    # Tests change groups and look at people with this token; nobody else sets it.
    c.JupyterHub.services.append({"name": "tests", "api_token": os.environ["NBANNOT_TEST_TOKEN"]})
    c.JupyterHub.load_roles.append(
        {
            "name": "tests",
            "services": ["tests"],
            "scopes": ["admin:groups", "admin:users", "tokens", "admin:servers"],
        }
    )

# --- The rest is for the local demo only. -------------------------------------------------------------

BASE = os.environ.get("NBANNOT_BASE_URL", "/")
if os.environ.get("NBANNOT_SUBDOMAIN_HOST"):
    c.JupyterHub.subdomain_host = os.environ["NBANNOT_SUBDOMAIN_HOST"]
c.JupyterHub.bind_url = f"http://127.0.0.1:{PORT}{BASE}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{API_PORT}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{PROXY_PORT}"
c.ConfigurableHTTPProxy.command = [
    os.environ.get("NBANNOT_PROXY_COMMAND", str(HERE / "node_modules" / ".bin" / "configurable-http-proxy"))
]
c.ConfigurableHTTPProxy.pid_file = str(WORK / "proxy.pid")
c.JupyterHub.db_url = os.environ.get("NBANNOT_HUB_DATABASE", f"sqlite:///{WORK / 'hub.sqlite'}")
c.JupyterHub.cookie_secret_file = str(WORK / "cookie_secret")
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ.get("NBANNOT_HUB_PASSWORD", "nbannot-demo")
c.Authenticator.allow_all = True
c.JupyterHub.load_groups = {
    RESEARCHERS: {"users": ["ada", "ben"]},
    EXPERTS: {"users": ["eva", "finn"]},
}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(WORK / "home" / "{username}")
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
c.Spawner.environment = {
    "NBANNOT_URL": f"http://127.0.0.1:{PORT}{BASE}services/nbannot",
    **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
}
