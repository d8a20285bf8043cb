"""Pages with one form."""

from collections.abc import Mapping
from html import escape

from aiohttp import web

_HEADERS = {
    # The token of a link stands in the address.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
}


def page(title: str, action: str, hidden: Mapping[str, str] | None = None, **fields: str) -> web.Response:
    """Return a page whose form posts *hidden* values and what is typed into *fields*: their types by their names."""
    inputs = [f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in (hidden or {}).items()]
    inputs += [f'<label>{name} <input type="{kind}" name="{name}" required></label>' for name, kind in fields.items()]
    form = f'<form method="post" action="{action}">{"".join(inputs)}<button>{escape(title)}</button></form>'
    text = f"<!doctype html><html lang=en><title>{escape(title)}</title>{form}</html>"
    return web.Response(text=text, content_type="text/html", headers=_HEADERS)
