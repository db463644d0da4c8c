"""A class on many machines: what the Hub of Zero to JupyterHub is told, on top of the chart's own configuration.

>>> from course_utils.hub.kubernetes import configure                    # doctest: +SKIP
>>> configure(c, instructors={"ada"}, assistants=set(), exchange_url="http://course:9003/services/exchange")

in `hub.extraConfig` of `deploy/kubernetes/values.yaml`. The rights are those of a class on one machine; servers,
walls and services are the cluster's to make. Nothing here imports more than the Hub's image has.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from course_utils.exchange.store import NAME
from course_utils.hub import Class, choose_role, groups, roles

__all__ = ["configure"]


def configure(
    c: Any,
    instructors: Iterable[str],
    assistants: Iterable[str],
    exchange_url: str,
    course_id: str = "agai302",
) -> None:
    """Nothing: roles, groups and each server's settings are added to `c`; the chart's own roles stay.

    `exchange_url` is where students' servers reach the exchange. Settings are read from `hub.CONF`, a folder that the
    users' image has at the same place as the Hub's.
    """
    klass = Class(Path("/srv/course"), course_id, frozenset(instructors), frozenset(assistants))
    c.JupyterHub.load_groups = groups(klass)
    c.JupyterHub.load_roles.extend(roles(klass))
    c.Authenticator.username_pattern = f"^{NAME.pattern}$"

    c.Spawner.pre_spawn_hook = choose_role(klass, COURSE_ID=course_id, COURSE_EXCHANGE_URL=exchange_url)
