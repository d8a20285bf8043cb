"""What is in the wheel and in the sdist."""

import tarfile
import zipfile
from pathlib import Path

from tests.packaging.conftest import Built
from tests.packaging.environments import Installed

HOMES = {
    "auth_service": "dualtoken/auth_service",
    "client": "dualtoken/client",
    "dualtoken_serving": "dualtoken_serving",
    "resource_service": "dualtoken/resource_service",
}
LIMIT = 16  # distributions that the client library may bring, itself included


def files(folder: Path) -> set[str]:
    """Return the names of all files below *folder*, but for those that images are made of."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != "Dockerfile"}


def test_the_wheel_holds_each_file_of_the_packages(built: Built) -> None:
    """Modules, migrations, descriptions of the APIs, the page, the report, ``py.typed``: nothing is forgotten."""
    expected = {f"{home}/{name}" for folder, home in HOMES.items() for name in files(built.tree / folder)}

    assert expected == {name for name in _wheel(built) if not name.startswith("dualtoken-")}


def test_the_wheel_takes_two_names_and_no_more(built: Built) -> None:
    """A ``client`` at top level would stand in the way of each project that has one."""
    tops = {name.partition("/")[0] for name in _wheel(built)}

    assert {"dualtoken", "dualtoken_serving"} == {top for top in tops if not top.endswith(".dist-info")}
    assert 3 == len(tops)


def test_the_sdist_holds_the_tree(built: Built) -> None:
    """All but what a checkout alone needs, and what a build adds."""
    with tarfile.open(built.sdist) as archive:
        found = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    left_out = {name for name in files(built.tree) if name.startswith(".")} | _added(files(built.tree))

    assert files(built.tree) - left_out == found - _added(found)


def test_neither_holds_a_dockerfile(built: Built) -> None:
    """Images are built from a checkout."""
    with tarfile.open(built.sdist) as archive:
        names = archive.getnames() + _wheel(built)

    assert [] == [name for name in names if "Dockerfile" in name]


def test_pip_refuses_a_python_that_is_too_old(built: Built) -> None:
    """By the wheel's own word, before anything is installed."""
    with zipfile.ZipFile(built.wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()

    assert "\nRequires-Python: >=3.11\n" in metadata


def test_the_client_library_brings_little(library: Installed) -> None:
    """No SQLAlchemy, no argon2, no gunicorn, no pydantic: an HTTP client, a lock, paths, and what those need."""
    sites = next((library.folder / "lib").glob("python*/site-packages"))
    distributions = {path.name.partition("-")[0].lower() for path in sites.glob("*.dist-info")}

    assert {"aiohttp", "dualtoken", "filelock", "platformdirs"} <= distributions
    assert len(distributions) <= LIMIT, sorted(distributions)


def _wheel(built: Built) -> list[str]:
    with zipfile.ZipFile(built.wheel) as archive:
        return archive.namelist()


def _added(found: set[str]) -> set[str]:
    return {name for name in found if name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name}
