"""Roles and the service nbannot, for a Hub that runs already.

The Littlest JupyterHub: copy it to /opt/tljh/config/jupyterhub_config.d/nbannot.py, then
`sudo tljh-config reload hub`. Any other Hub: `load_subconfig("nbannot.py")` in jupyterhub_config.py.

The service runs on its own (deploy/tljh/nbannot.service). Both need the same token: the Hub finds it in
NBANNOT_SERVICE_TOKEN, or as the line JUPYTERHUB_API_TOKEN=… of /etc/nbannot/service.env.
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821

RESEARCHERS, EXPERTS = "researchers", "experts"
USE = "access:services!service=nbannot"


def service_token():
    """Return the token that the service has as well."""
    given = os.environ.get("NBANNOT_SERVICE_TOKEN", "")
    file = Path(os.environ.get("NBANNOT_SERVICE_ENV", "/etc/nbannot/service.env"))
    if not given and file.exists():
        lines = (line.partition("=") for line in file.read_text().splitlines())
        given = {name.strip(): value.strip() for name, _, value in lines}.get("JUPYTERHUB_API_TOKEN", "")
    if not given:
        raise ValueError(f"There is no token for nbannot in NBANNOT_SERVICE_TOKEN or {file}")
    return given


def first_page(handler):
    """Experts land in the service; everybody else where the Hub sends them."""
    user = handler.current_user
    groups = {group.name for group in user.groups} if user else set()
    if EXPERTS in groups and RESEARCHERS not in groups:
        service = handler.services["nbannot"]
        return service.host + service.prefix
    return None


c.JupyterHub.load_roles = [
    # The role that everybody has is reduced to what a login needs: experts start no servers.
    {"name": "user", "scopes": ["read:users:name!user", "read:users:groups!user"]},
    {"name": "researcher", "groups": [RESEARCHERS], "scopes": ["self", USE]},
    {"name": "expert", "groups": [EXPERTS], "scopes": [USE]},
    # Notebooks reach the service with the token of their server.
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", USE]},
]
c.JupyterHub.default_url = first_page
c.JupyterHub.services = [
    {
        "name": "nbannot",
        "url": os.environ.get("NBANNOT_SERVICE_URL", "http://127.0.0.1:9210"),
        "api_token": service_token(),
        "oauth_no_confirm": True,
    }
]
