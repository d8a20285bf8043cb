#!/usr/bin/env python3
"""Ask the service in this container whether it is ready: exit status 0 or 1.

The argument is the prefix of the service's settings, so that a changed port or TLS needs no second setting. Standard
library only, and no more of it than this needs: it starts anew every few seconds.
"""

import http.client
import os
import sys

TIMEOUT_S = 3


def connect(prefix: str) -> http.client.HTTPConnection:
    """Return a connection to the service whose settings begin with *prefix*."""
    port = int(os.environ[f"{prefix}_PORT"])
    if not os.environ.get(f"{prefix}_TLS_CERT"):
        return http.client.HTTPConnection("localhost", port, timeout=TIMEOUT_S)
    import ssl

    # The certificate names the service's public host, never this loopback.
    unverified = ssl._create_unverified_context()  # noqa: S323, SLF001
    return http.client.HTTPSConnection("localhost", port, timeout=TIMEOUT_S, context=unverified)


def main(prefix: str) -> int:
    """Return 0 if the service is ready, else say why not and return 1."""
    try:
        connection = connect(prefix)
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as exc:
        print(f"no answer: {exc}")
        return 1
    print(answer.status, answer.read().decode())
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
