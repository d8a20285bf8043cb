import re

from dualtoken.auth_service.web.docs import API
from tests.auth_service.running import Auth


async def test_the_page_names_every_call(auth: Auth) -> None:
    """What the OpenAPI document says, a person can read, too."""
    paths = (await (await auth.client.get("/openapi.json")).json())["paths"]
    page = await (await auth.client.get("/docs")).text()

    assert [] == [path for path in paths if f" {path}<" not in page]


async def test_the_page_names_the_members_of_bodies(auth: Auth) -> None:
    """A reader learns what to send."""
    page = await (await auth.client.get("/docs")).text()

    assert "<code>username</code></td><td>body, needed" in page
    assert "<code>Idempotency-Key</code></td><td>header: " in page


async def test_the_page_asks_no_other_address_for_anything(auth: Auth) -> None:
    """It works on a machine without a network, and tells nobody that it is read."""
    answer = await auth.client.get("/docs")

    assert [] == re.findall(r"(?:src|href)=.?https?:|@import|url\(", await answer.text())
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_references_lead_somewhere() -> None:
    """Every $ref names a component that exists."""
    components = API.description["components"]
    references = re.findall(r"#/components/(\w+)/(\w+)", str(API.description))

    assert [] == [(kind, name) for kind, name in references if name not in components[kind]]
