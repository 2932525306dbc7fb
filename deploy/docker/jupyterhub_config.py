"""The Hub of deploy/compose.yaml: people of an identity provider, notebooks in containers, the service nbannot."""

import os

c = get_config()  # noqa: F821

load_subconfig("nbannot.py")  # noqa: F821 - deploy/tljh/nbannot.py
c.JupyterHub.template_paths = ["/srv/jupyterhub/templates"]

# The proxy is a container of its own: it goes on while the Hub restarts. It ends TLS.
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://proxy:8001"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.db_url = os.environ["HUB_DATABASE"]
c.JupyterHub.cookie_secret_file = "/data/cookie_secret"

# Groups come from the identity provider: researchers and experts. Take the class of your provider if there is one.
c.JupyterHub.authenticator_class = "generic-oauth"
c.GenericOAuthenticator.client_id = os.environ["OAUTH_CLIENT_ID"]
c.GenericOAuthenticator.client_secret = os.environ["OAUTH_CLIENT_SECRET"]
c.GenericOAuthenticator.authorize_url = os.environ["OAUTH_AUTHORIZE_URL"]
c.GenericOAuthenticator.token_url = os.environ["OAUTH_TOKEN_URL"]
c.GenericOAuthenticator.userdata_url = os.environ["OAUTH_USERDATA_URL"]
c.GenericOAuthenticator.scope = ["openid", "email", "groups"]
c.GenericOAuthenticator.username_claim = "preferred_username"
c.GenericOAuthenticator.manage_groups = True
c.GenericOAuthenticator.auth_state_groups_key = "oauth_user.groups"
c.GenericOAuthenticator.allowed_groups = {"researchers", "experts"}

c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = "nbannot-singleuser"
c.DockerSpawner.network_name = "nbannot-notebooks"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.notebook_dir = "/home/jovyan"
c.DockerSpawner.volumes = {"nbannot-home-{username}": "/home/jovyan"}
c.DockerSpawner.environment = {"NBANNOT_URL": os.environ["NBANNOT_URL"]}
