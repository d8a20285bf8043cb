"""Which URLs this service fetches from: those configured, and of these only safe ones."""

import ipaddress

from yarl import URL


def checked_endpoint(text: str) -> URL:
    """Read the URL of an endpoint that keys or revocations are fetched from.

    Plain http is for loopback and for names without a dot, which only a private network (a Compose or Kubernetes
    namespace) resolves: anywhere else a man in the middle could hand out keys of his own.

    Raises:
        ValueError: it is not such a URL.
    """
    try:
        url = URL(text)
    except ValueError:
        raise ValueError("not a URL") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("not an http(s) URL")
    if url.user is not None or url.password is not None or url.fragment:
        raise ValueError("a URL with credentials or a fragment")
    if url.scheme == "http" and not _is_private(url.host):
        raise ValueError("https is needed outside loopback and private container networks")
    return url


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # Resolvers take a name of digits for an address anywhere: 134744072 is 8.8.8.8.
        return "." not in host and not host[0].isdigit()
