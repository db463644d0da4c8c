"""Names and passwords of the Hub's own: NativeAuthenticator, with its page for signing in mended.

>>> c.JupyterHub.authenticator_class = Native          # in a jupyterhub_config.py, doctest: +SKIP

NativeAuthenticator 1.3.0, the newest, answers every attempt to sign in with status 500 under JupyterHub 6: it times the
attempt with a `statsd` client, which handlers no longer have, and cannot show its page when an error is to be shown.
"""

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.handlers import LoginHandler

__all__ = ["Native"]


class _NoStatistics:
    """A `statsd` client that counts nothing."""

    def timer(self, name: str) -> "_NoStatistics":
        return self

    def start(self) -> "_NoStatistics":
        return self

    def stop(self, send: bool = False) -> None:
        return None


class _SignIn(LoginHandler):
    statsd = _NoStatistics()
    render_template = BaseHandler.render_template  # errors have JupyterHub's own page


class Native(NativeAuthenticator):
    """`NativeAuthenticator`, and everything that is set for it."""

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """Its pages, with the mended one."""
        pages = super().get_handlers(app)
        return [tuple(_SignIn if part is LoginHandler else part for part in page) for page in pages]
