"""The description of this service, for machines and for people. The page needs nothing from any other address."""

import html
import json
from functools import cache
from importlib import resources
from typing import Any

from aiohttp import web

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
code {{ font-size: 0.95em; }} h2 {{ margin-top: 2rem; }} td {{ padding: 0.1rem 1rem 0.1rem 0; vertical-align: top; }}
</style></head>
<body><h1>{title}</h1><p>{description}</p>{operations}<p><a href="openapi.json">openapi.json</a></p></body></html>
"""
_CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI document of this service."""
    text = resources.files("auth_service").joinpath("openapi.yaml").read_text(encoding="utf-8")
    # JSON is YAML (1.2, §1.3): the file is both, and no parser more is needed.
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def _page() -> str:
    document = description()
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    info = document["info"]
    return _PAGE.format(
        title=html.escape(info["title"]), description=html.escape(info["description"]), operations=operations
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    heading = f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{html.escape(operation['summary'])}</p>"
    more = f"<p>{html.escape(operation['description'])}</p>" if "description" in operation else ""
    return heading + more + _table(_inputs(operation)) + _table(_answers(operation))


def _inputs(operation: dict[str, Any]) -> dict[str, str]:
    inputs = {each["name"]: f"{each['in']}: {each.get('description', '')}" for each in operation.get("parameters", ())}
    if "requestBody" in operation:
        schema = _resolved(operation["requestBody"]["content"]["application/json"]["schema"])
        for name, member in schema["properties"].items():
            needed = "needed" if name in schema.get("required", ()) else "optional"
            inputs[name] = ", ".join(filter(None, ["body", needed, member.get("description")]))
    return inputs


def _answers(operation: dict[str, Any]) -> dict[str, str]:
    return {status: _resolved(answer)["description"] for status, answer in operation["responses"].items()}


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    kind, name = part["$ref"].split("/")[-2:]
    found: dict[str, Any] = description()["components"][kind][name]
    return found


def _table(rows: dict[str, str]) -> str:
    cells = (
        f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(text)}</td></tr>" for name, text in rows.items()
    )
    return f"<table>{''.join(cells)}</table>" if rows else ""


async def openapi(_request: web.Request) -> web.Response:
    """Answer the OpenAPI document."""
    return web.json_response(description())


async def docs(_request: web.Request) -> web.Response:
    """Answer it as a page."""
    headers = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY}
    return web.Response(text=_page(), content_type="text/html", headers=headers)
