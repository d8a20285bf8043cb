"""What runs is shut in: no privileges, no tools, no key that it does not need."""

import pytest

from tests.compose.stack import SERVICES, Stack, StackError, run

PACKAGES = {"auth": "auth_service", "resource": "resource_service", "web": "client"}
BELOW = {"auth": {"dualtoken_serving"}, "resource": {"dualtoken_serving"}, "web": set()}
UID = "10001"


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Each service in turn."""
    return str(request.param)


def test_healthy(stack: Stack, service: str) -> None:
    """The image's own health check finds the service ready."""
    assert "healthy" == stack.inspect(service, "{{.State.Health.Status}}")


def test_non_root(stack: Stack, service: str) -> None:
    """Every process of a container, its init included, runs as the one fixed user."""
    _titles, *processes = run("docker", "top", stack.container(service), "-eo", "pid,uid").splitlines()

    assert {UID} == {line.split()[1] for line in processes}


def test_no_privileges(stack: Stack, service: str) -> None:
    """No capability is left, none can be regained, and no program raises privileges."""
    status = dict(line.split(":", 1) for line in stack.execute(service, "cat", "/proc/1/status").splitlines())

    assert [0, 0, 1] == [int(status[name], 16) for name in ("CapEff", "CapBnd", "NoNewPrivs")]


def test_read_only_root(stack: Stack, service: str) -> None:
    """Not even the root user could change the program."""
    with pytest.raises(StackError, match="Read-only file system"):
        run("docker", "exec", "--user", "0", stack.container(service), "touch", "/app/x")


def test_image_holds_one_package_compiled(stack: Stack, service: str) -> None:
    """An image holds the one package that it runs, compiled when the image was built."""
    names = in_image(stack, service, "ls /app").splitlines()
    sources, compiled = (
        in_image(stack, service, f"cd /app/{PACKAGES[service]}; find . -name '*.{suffix}' | wc -l")
        for suffix in ("py", "pyc")
    )

    assert {PACKAGES[service], *BELOW[service], "healthcheck.py"} == set(names)
    assert int(sources) == int(compiled) > 0


def test_image_holds_no_tools(stack: Stack, service: str) -> None:
    """An image holds neither compiler, nor build tools, nor what pip leaves behind."""
    tools = "for tool in gcc cc c++ ld make; do command -v $tool; done"
    remains = "ls -d /root/.cache /build /venv/bin/pip* 2>/dev/null"

    assert "" == in_image(stack, service, f"{tools}; {remains}; true")


def in_image(stack: Stack, service: str, script: str) -> str:
    """Run a shell script as root in a new container of the image, and return what it printed."""
    return run("docker", "run", "--rm", "--user", "0", "--entrypoint", "sh", stack.image(service), "-c", script)


def test_resource_service_sees_no_refresh_key(stack: Stack) -> None:
    """The resource service has the access key and no way to the key that signs refresh tokens."""
    found = stack.execute("resource", "find", "/keys", "-name", "*.jwks.json").splitlines()
    mounts = stack.inspect("resource", "{{range .Mounts}}{{.Name}} {{end}}").split()

    assert ["/keys/access/access.jwks.json"] == found
    assert {f"{stack.project}_access-key", f"{stack.project}_service-secret"} == set(mounts)


def test_web_sees_no_key_at_all(stack: Stack) -> None:
    """The page's server mounts nothing."""
    assert "" == stack.inspect("web", "{{range .Mounts}}{{.Name}} {{end}}").strip()


@pytest.mark.parametrize(
    ("service", "folder"),
    [("auth", "access"), ("auth", "refresh"), ("auth", "service"), ("resource", "access"), ("resource", "service")],
)
def test_serving_containers_cannot_write_keys(stack: Stack, service: str, folder: str) -> None:
    """Only the one-shot `keys` writes keys."""
    with pytest.raises(StackError, match="Read-only file system"):
        stack.execute(service, "touch", f"/keys/{folder}/x")


def test_keys_are_made_once(stack: Stack) -> None:
    """Running `keys` again, as every `up` does, leaves the keys alone."""
    lines = stack.compose("run", "--rm", "-T", "keys").splitlines()

    assert ["exists, left alone"] * 3 == [line.split(": ")[1] for line in lines]


def test_ports_are_local_unless_asked(stack: Stack) -> None:
    """Without settings, only this machine reaches the services."""
    unset = {k: v for k, v in stack.environment.items() if not k.endswith("_PUBLISH")}
    config = run(*stack.command, "config", env=unset)

    assert (3, 0) == (config.count("127.0.0.1"), config.count("0.0.0.0"))  # noqa: S104 - must not stand there
