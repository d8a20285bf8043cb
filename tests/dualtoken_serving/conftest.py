"""Fixtures of the tests of both services' machinery."""

from tests.resource_service.conftest import key, key_file, times  # noqa: F401 - fixtures, for these tests as well
from tests.system.conftest import deployment, http, prepared, service  # noqa: F401 - likewise
