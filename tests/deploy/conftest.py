from tests.auth_service.conftest import _no_settings_from_outside, settings  # noqa: F401 - fixtures, for these tests, too
