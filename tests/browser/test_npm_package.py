"""The npm package: sound, typed, and usable in a clean project."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.browser.npm_packages import HOME, PACKAGE, installed, packed, project, run, tool

ROOT = PACKAGE.parents[1]
_STRICT = {
    "noEmit": True, "strict": True, "target": "es2023", "module": "esnext", "moduleResolution": "bundler",
    "lib": ["es2023", "dom", "dom.iterable"], "types": [],
}  # fmt: skip
_USE = """
import axios from "axios";
import { AuthUnavailable, InvalidCredentials, LoginRequired, createSession } from "dualtoken";
import type { Session, Status } from "dualtoken";
import { attach } from "dualtoken/axios";

const session: Session = createSession({
  authUrl: "https://auth.example", origins: ["https://api.example"],
  onLoginRequired: ({ reason }: LoginRequired) => reason.length,
  onRefresh: ({ user, by }) => `${user.email} ${by satisfies "this tab" | "another tab"}`,
});
const status: Status = await session.restore();
const detach: () => void = attach(axios.create(), session);
const { username } = await session.login("zs", "secret");
const refused: string | null = await session.exchange("code").then(() => null, (e: InvalidCredentials) => e.reason);
const token: string = await session.token({ rejected: username, origin: "https://api.example" });
const { fetch: plain } = session;
const response: Response = await plain(new URL("https://api.example"), { method: "POST", body: refused ?? token });
await session.logout({ everywhere: status.state === "active" });
session.close();
detach();
export const waits = (error: unknown) => (error instanceof AuthUnavailable ? error.retryAfterMs ?? 0 : response.status);
// @ts-expect-error: origins are needed
createSession({ authUrl: "https://auth.example" });
// @ts-expect-error: nobody sets the status
session.status = status;
// @ts-expect-error: a password is needed
await session.login("zs");
"""


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package as npm would publish it."""
    installed()
    return packed(tmp_path_factory.mktemp("packed"))


def test_publint_and_attw_find_nothing(tarball: Path) -> None:
    """Whoever imports the packed tarball as a module, by Node or by a bundler, finds code and types."""
    assert "All good" in run(tool("publint"), tarball, "--strict", cwd=HOME)
    report = json.loads(run(tool("attw"), tarball, "--profile", "esm-only", "--format", "json", cwd=HOME))

    assert {".", "./axios", "./package.json"} == set(report["analysis"]["entrypoints"])


def test_a_clean_project_compiles(tarball: Path, tmp_path: Path) -> None:
    """Installed from the tarball into an empty project, every public name is typed, and misuse is an error."""
    home = project(tmp_path, tarball)
    (home / "use.ts").write_text(_USE)
    (home / "tsconfig.json").write_text(json.dumps({"compilerOptions": _STRICT, "files": ["use.ts"]}))

    assert "" == run(tool("tsc"), "-p", ".", cwd=home)
    assert ["dualtoken"] == [
        entry.name for entry in (home / "node_modules").iterdir() if not entry.name.startswith(".")
    ]


def test_the_module_does_what_its_types_say(tmp_path: Path) -> None:
    """The module itself is checked against the types that it is published with."""
    modules = [str(PACKAGE / name) for name in ("silent-refresh.js", "axios.js")]
    axios = {"axios": [str(installed() / "node_modules" / "axios")]}
    options = {**_STRICT, "allowJs": True, "checkJs": True, "allowImportingTsExtensions": True, "paths": axios}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": modules}))

    assert "" == run(tool("tsc"), "-p", tmp_path, cwd=HOME)


def test_nothing_else_is_published(tarball: Path) -> None:
    """The page, its texts and its styles stay at home; every module that is imported comes along."""
    listed = run("tar", "-tzf", tarball, cwd=HOME).split()
    session = {f"package/session/{path.name}" for path in (PACKAGE / "session").iterdir()}
    own = {"LICENSE", "README.md", "package.json", "axios.js", "axios.d.ts", "silent-refresh.js", "silent-refresh.d.ts"}

    assert session | {f"package/{name}" for name in own} == set(listed)


def test_both_packages_are_one_release() -> None:
    """Version and licence are those of the Python package."""
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    npm = json.loads((PACKAGE / "package.json").read_text())

    assert (python["name"], python["version"], python["license"]) == (npm["name"], npm["version"], npm["license"])
    assert (ROOT / "LICENSE").read_bytes() == (PACKAGE / "LICENSE").read_bytes()


def test_locks_name_no_registry() -> None:
    """What npm installs for the tests comes from the registry that the machine is set up with."""
    packages = json.loads((HOME / "package-lock.json").read_text())["packages"]

    assert [] == [name for name, package in packages.items() if "resolved" in package]
    assert [] == [name for name, package in packages.items() if name and "integrity" not in package]
