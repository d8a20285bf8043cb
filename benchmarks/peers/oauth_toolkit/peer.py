"""django-oauth-toolkit with refresh token rotation (its default) and a grace period, on SQLite.

As its documentation sets it up; Django's production settings (DEBUG off, no middleware but the one that counts bytes),
a public client, so that no client secret is hashed for each request, SQLite in WAL mode with a transaction that asks
for the write lock first, and synchronous=FULL, so that an answered rotation is on disk as in the other durable servers.

    python peer.py seed N     make the tables and N refresh tokens; print them as JSON
    gunicorn peer:application
"""

import json
import os
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a key that is as long as HS256 wants it to be",  # noqa: S106 - of the benchmark
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="peer",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["PEER_DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 30,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            },
        }
    },
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 10,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "REFRESH_TOKEN_EXPIRE_SECONDS": 7 * 86400,
        "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
        "SCOPES": {"read": "Read", "write": "Write"},
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django wants its settings first
from django.urls import path  # noqa: E402
from oauth2_provider.views import TokenView  # noqa: E402

urlpatterns = [path("token", TokenView.as_view())]
application = get_wsgi_application()


def seed(number: int) -> None:
    """Make the tables, a public client and *number* refresh tokens of as many users; print them."""
    import secrets
    from datetime import timedelta

    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.utils import timezone
    from oauth2_provider.models import AccessToken, Application, RefreshToken

    call_command("migrate", verbosity=0)
    client = Application.objects.create(client_id="bench", client_type="public", authorization_grant_type="password")
    tokens = []
    for n in range(number):
        user = User.objects.create(username=f"user{n}")
        access = AccessToken.objects.create(
            user=user, application=client, token=secrets.token_urlsafe(24), scope="read write",
            expires=timezone.now() + timedelta(hours=1),
        )  # fmt: skip
        refresh = RefreshToken.objects.create(
            user=user, application=client, token=secrets.token_urlsafe(24), access_token=access
        )
        tokens.append(refresh.token)
    print(json.dumps(tokens))


if __name__ == "__main__":
    seed(int(sys.argv[2]))
