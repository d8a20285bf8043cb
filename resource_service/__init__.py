"""Verifies access tokens; serves protected resources.

The names below are imported at their first use: a service with several workers must set the folder of its shared
metrics before anything imports ``prometheus_client``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .frameworks import needing_the_extra

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .authenticator import FeedPolicy
    from .verification.claims import Claims
    from .web.access import optional, public, requires
    from .web.bearer import CLAIMS, Bearer
else:  # hidden from type checkers, which would take any name for one that is here

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with needing_the_extra(name):
            return getattr(import_module(f".{_WHERE[name]}", __name__), name)


_WHERE = {
    "Bearer": "web.bearer",
    "CLAIMS": "web.bearer",
    "Claims": "verification.claims",
    "FeedPolicy": "authenticator",
    "optional": "web.access",
    "public": "web.access",
    "requires": "web.access",
}

__all__ = ["CLAIMS", "Bearer", "Claims", "FeedPolicy", "optional", "public", "requires"]
