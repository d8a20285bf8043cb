"""djangorestframework-simplejwt with ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION on SQLite.

As its documentation sets it up; Django's production settings (DEBUG off, no middleware but the one that counts bytes),
HS256, SQLite in WAL mode with a transaction that asks for the write lock first, as Django's documentation advises for
SQLite under load, and synchronous=FULL, so that an answered rotation is on disk as in the other durable servers.

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
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
    ],
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
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
    SIMPLE_JWT={"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True},
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django wants its settings first
from django.urls import path  # noqa: E402
from rest_framework_simplejwt.views import TokenRefreshView  # noqa: E402

urlpatterns = [path("refresh", TokenRefreshView.as_view())]
application = get_wsgi_application()


def seed(number: int) -> None:
    """Make the tables and *number* refresh tokens of as many users; print them."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from rest_framework_simplejwt.tokens import RefreshToken

    call_command("migrate", verbosity=0)
    users = [User.objects.create(username=f"user{n}") for n in range(number)]
    print(json.dumps([str(RefreshToken.for_user(user)) for user in users]))


if __name__ == "__main__":
    seed(int(sys.argv[2]))
