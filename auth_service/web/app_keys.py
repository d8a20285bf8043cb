"""Under which keys the application holds what its handlers use."""

from aiohttp import web

from dualtoken_serving.coalesced_call import CoalescedCall

from ..events.backend import BackendEvents
from ..events.events import Events
from ..keys.watched_secret import WatchedSecret
from ..keys.watcher import WatchedKeys
from ..login_guard.call_limit import CallLimit
from ..login_guard.request_limit import RequestLimit
from ..settings import Settings
from ..use_cases.accounts import Accounts
from ..use_cases.assertions import Assertions
from ..use_cases.introspection import Introspection
from ..use_cases.proofs import Proofs
from ..use_cases.revocation_feed import RevocationFeed
from ..use_cases.session_codes import SessionCodes
from ..use_cases.sessions import Sessions
from ..use_cases.users import Users

SETTINGS = web.AppKey("SETTINGS", Settings)
EVENTS = web.AppKey("EVENTS", Events)
SERVICE_SECRET = web.AppKey("SERVICE_SECRET", WatchedSecret)
BACKEND_SECRET = web.AppKey("BACKEND_SECRET", WatchedSecret)
BACKEND_EVENTS = web.AppKey("BACKEND_EVENTS", BackendEvents)
BACKEND_CALLS = web.AppKey("BACKEND_CALLS", CallLimit)
USERS = web.AppKey("USERS", Users)
SESSIONS = web.AppKey("SESSIONS", Sessions)
PUBLIC_KEYS = web.AppKey("PUBLIC_KEYS", WatchedKeys[bytes])
ACCOUNTS = web.AppKey("ACCOUNTS", Accounts)
INTROSPECTION = web.AppKey("INTROSPECTION", Introspection)
REFRESH_LIMIT = web.AppKey("REFRESH_LIMIT", RequestLimit)
LISTING_LIMIT = web.AppKey("LISTING_LIMIT", RequestLimit)
READINESS = web.AppKey("READINESS", CoalescedCall[None])
PROOFS = web.AppKey("PROOFS", Proofs)
SESSION_CODES = web.AppKey("SESSION_CODES", SessionCodes)
ASSERTIONS = web.AppKey("ASSERTIONS", Assertions)
REVOCATIONS = web.AppKey("REVOCATIONS", RevocationFeed)
