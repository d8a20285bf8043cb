"""The proxy that the environment names, for what a service fetches over https."""

from urllib.request import getproxies, proxy_bypass

from yarl import URL


def proxy_for(url: URL) -> URL | None:
    """Return the proxy through which *url* is fetched, None without one: ``HTTPS_PROXY``, ``NO_PROXY`` excepted.

    Plain http is fetched directly: it stays on this machine or in its private network.

    Raises:
        ValueError: what is named is no address of a proxy. The text does not repeat it: it may hold a password.
    """
    text = getproxies().get(url.scheme, "") if url.scheme == "https" else ""
    if not text or proxy_bypass(url.raw_host or ""):
        return None
    try:
        proxy = URL(text)
        is_proxy = proxy.scheme in {"http", "https"} and bool(proxy.raw_host)
    except ValueError:
        is_proxy = False
    if not is_proxy:
        raise ValueError("HTTPS_PROXY is not an address such as http://proxy.example:3128")
    return proxy
