"""The description of a service, for machines and for people. The page needs nothing from any other address."""

import html
import json
from functools import cached_property
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


class ApiDocs:
    """The OpenAPI document ``openapi.yaml`` of a package, and the page that is made of it."""

    def __init__(self, package: str) -> None:
        self._package = package

    @cached_property
    def description(self) -> dict[str, Any]:
        """The OpenAPI document."""
        text = resources.files(self._package).joinpath("openapi.yaml").read_text(encoding="utf-8")
        # JSON is YAML (1.2, §1.3): the file is both, and no parser more is needed.
        document: dict[str, Any] = json.loads(text)
        return document

    @cached_property
    def page(self) -> str:
        """The same as HTML."""
        operations = "".join(
            self._operation(method, path, operation)
            for path, methods in self.description["paths"].items()
            for method, operation in methods.items()
        )
        info = self.description["info"]
        return _PAGE.format(
            title=html.escape(info["title"]), description=html.escape(info["description"]), operations=operations
        )

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> str:
        call, summary = f"{method.upper()} {html.escape(path)}", html.escape(operation["summary"])
        more = f"<p>{html.escape(operation['description'])}</p>" if "description" in operation else ""
        tables = _table(self._inputs(operation)) + _table(self._answers(operation))
        return f"<h2><code>{call}</code></h2><p>{summary}</p>{more}{tables}"

    def _inputs(self, operation: dict[str, Any]) -> dict[str, str]:
        parameters = map(self._resolved, operation.get("parameters", ()))
        inputs = {each["name"]: f"{each['in']}: {each.get('description', '')}" for each in parameters}
        content = operation.get("requestBody", {}).get("content", {})
        schema = self._resolved(content.get("application/json", {}).get("schema", {}))
        for name, member in schema.get("properties", {}).items():
            needed = "needed" if name in schema.get("required", ()) else "optional"
            inputs[name] = ", ".join(filter(None, ["body", needed, member.get("description")]))
        return inputs

    def _answers(self, operation: dict[str, Any]) -> dict[str, str]:
        return {status: self._resolved(answer)["description"] for status, answer in operation["responses"].items()}

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in part:
            return part
        kind, name = part["$ref"].split("/")[-2:]
        found: dict[str, Any] = self.description["components"][kind][name]
        return found

    def openapi_answer(self) -> web.Response:
        """Answer the OpenAPI document."""
        return web.json_response(self.description)

    def page_answer(self) -> web.Response:
        """Answer it as a page."""
        headers = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY}
        return web.Response(text=self.page, content_type="text/html", headers=headers)


def _table(rows: dict[str, str]) -> str:
    cells = (
        f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(text)}</td></tr>" for name, text in rows.items()
    )
    return f"<table>{''.join(cells)}</table>" if rows else ""
