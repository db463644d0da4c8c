# A class on one machine. Copy to /etc/agai302/jupyterhub_config.py, edit what is marked, and start it with the unit
# beside this file.
import os
from pathlib import Path

from course_utils.hub import Class, configure

c = get_config()

# EDIT: who teaches. Everybody else whom the authenticator lets in is a student.
klass = Class(
    folder=Path("/srv/agai302"),
    instructors=frozenset({"instructor"}),
    assistants=frozenset(),
    address="127.0.0.1",  # a web server in front does TLS; never serve a class without it
    grader="agai302",  # the account that owns the course folder; formgrader and the exchange run as it
)
configure(c, klass)

# EDIT: how people sign in. One of three; the last two need a package more, installed into the same environment.
sign_in = os.environ.get("AGAI302_SIGN_IN", "native")
if sign_in == "native":  # names and passwords of the Hub's own
    c.JupyterHub.authenticator_class = "course_utils.hub.native.Native"
    c.NativeAuthenticator.open_signup = False  # an instructor lets each one in, at /hub/authorize
    c.NativeAuthenticator.minimum_password_length = 12
    c.NativeAuthenticator.check_common_password = True
    c.NativeAuthenticator.allowed_failed_logins = 5
    c.Authenticator.allow_all = True
    c.Authenticator.admin_users = set(klass.instructors)
elif sign_in == "oauth":  # the university's OpenID Connect: pip install oauthenticator==17.4.0
    c.JupyterHub.authenticator_class = "generic-oauth"
    c.GenericOAuthenticator.client_id = os.environ["OAUTH_CLIENT_ID"]
    c.GenericOAuthenticator.client_secret = os.environ["OAUTH_CLIENT_SECRET"]
    c.GenericOAuthenticator.authorize_url = os.environ["OAUTH_AUTHORIZE_URL"]
    c.GenericOAuthenticator.token_url = os.environ["OAUTH_TOKEN_URL"]
    c.GenericOAuthenticator.userdata_url = os.environ["OAUTH_USERDATA_URL"]
    c.GenericOAuthenticator.oauth_callback_url = os.environ["OAUTH_CALLBACK_URL"]
    c.GenericOAuthenticator.username_claim = "preferred_username"
    # Everybody at the university can sign in there: a file names who is in the class, one a line.
    c.Authenticator.allowed_users = set(
        Path(os.environ.get("AGAI302_MEMBERS", "/etc/agai302/members")).read_text().split()
    ) | set(klass.staff)
elif sign_in == "lti13":  # from Moodle, Canvas …, LTI 1.3: pip install jupyterhub-ltiauthenticator==1.6.3
    c.JupyterHub.authenticator_class = "ltiauthenticator.lti13.auth.LTI13Authenticator"
    c.LTI13Authenticator.issuer = os.environ["LTI_ISSUER"]
    c.LTI13Authenticator.client_id = {os.environ["LTI_CLIENT_ID"]}
    c.LTI13Authenticator.authorize_url = os.environ["LTI_AUTHORIZE_URL"]
    c.LTI13Authenticator.jwks_endpoint = os.environ["LTI_JWKS_URL"]
    c.LTI13Authenticator.username_key = "email"
    c.Authenticator.allow_all = True  # the learning platform sends members of the course only
else:
    raise SystemExit(f"AGAI302_SIGN_IN: expected native, oauth or lti13, got {sign_in!r}.")

# Memory of each process of a student's server, in megabytes. The unit caps all servers together.
c.WalledSpawner.memory_mb = 4096
# With systemd, a cap for each whole server (kernels and all):
# c.WalledSpawner.prefix = ["systemd-run", "--scope", "--quiet", "-p", "MemoryMax=4G", "-p", "TasksMax=512", "--"]
# At most so many servers at once: memory of the machine / memory of a server.
c.JupyterHub.active_server_limit = 40
