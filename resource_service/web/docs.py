"""The description of this service, for machines and for people. The page needs nothing from any other address."""

import html
import json
from functools import cache
from importlib import resources
from typing import Any

from aiohttp import web

from resource_service.web.bearer import public

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
code {{ font-size: 0.95em; }} h2 {{ margin-top: 2rem; }} td {{ padding: 0.1rem 1rem 0.1rem 0; vertical-align: top; }}
</style></head>
<body><h1>{title}</h1><p>{description}</p>{operations}<p><a href="openapi.json">openapi.json</a></p></body></html>
"""
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@cache
def description() -> dict[str, Any]:
    """Read the OpenAPI document of this service."""
    text = resources.files("resource_service").joinpath("openapi.yaml").read_text(encoding="utf-8")
    # JSON is YAML (1.2, §1.3): the file is both, and no parser more is needed.
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def page() -> str:
    """Render the document."""
    document = description()
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    info = document["info"]
    return PAGE.format(
        title=html.escape(info["title"]), description=html.escape(info["description"]), operations=operations
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    answers = "".join(
        f"<tr><td><code>{status}</code></td><td>{html.escape(_text(answer))}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    heading = f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
    return f"{heading}<p>{html.escape(operation['summary'])}</p><table>{answers}</table>"


def _text(answer: dict[str, Any]) -> str:
    if "$ref" in answer:
        answer = description()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    text: str = answer["description"]
    return text


@public
async def openapi(_request: web.Request) -> web.Response:
    """Give the OpenAPI document."""
    return web.json_response(description())


@public
async def docs(_request: web.Request) -> web.Response:
    """Give it as a page."""
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return web.Response(text=page(), content_type="text/html", headers=headers)


routes = [web.get("/openapi.json", openapi), web.get("/docs", docs)]
