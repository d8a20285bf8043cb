"""Under which keys the application holds what its handlers use."""

from aiohttp import web

from auth_service.accounts import Accounts
from auth_service.events import Events
from auth_service.introspection import Introspection
from auth_service.revocations import RevocationFeed
from auth_service.sessions import Sessions
from auth_service.settings import Settings
from auth_service.shared_answer import SharedAnswer
from auth_service.watched_keys import WatchedKeys

SETTINGS = web.AppKey("SETTINGS", Settings)
EVENTS = web.AppKey("EVENTS", Events)
SESSIONS = web.AppKey("SESSIONS", Sessions)
PUBLIC_KEYS = web.AppKey("PUBLIC_KEYS", WatchedKeys[bytes])
ACCOUNTS = web.AppKey("ACCOUNTS", Accounts)
INTROSPECTION = web.AppKey("INTROSPECTION", Introspection)
READINESS = web.AppKey("READINESS", SharedAnswer[None])
EXPOSITION = web.AppKey("EXPOSITION", SharedAnswer[bytes])
REVOCATIONS = web.AppKey("REVOCATIONS", RevocationFeed)
