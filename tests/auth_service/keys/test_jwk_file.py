import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from filelock import FileLock
from jwt.algorithms import ECAlgorithm

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.domain import jwk
from dualtoken.auth_service.domain.jwk import ALGORITHMS, Jwk, new_jwk, public_jwk
from dualtoken.auth_service.errors import StartupError
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.keys.jwk_file import read_key_file, write_key_file
from dualtoken.auth_service.settings import Settings
from tests.deadline import HANGS_S

OCT = new_jwk("HS256")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a key file may be."""
    return tmp_path / "keys" / "access.jwks.json"


def write(path: Path, content: Any, mode: int = 0o600) -> Path:
    """Write *content*, as JSON unless it is bytes."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_created_file_holds_one_usable_key(path: Path, algorithm: str) -> None:
    """A new key file is a JWK Set with one private key of that algorithm."""
    assert jwk_file.create(path, algorithm)
    [key] = read_key_file(path)

    assert (algorithm, "sig") == (key["alg"], key["use"])


def test_a_created_file_is_its_owners_alone(path: Path) -> None:
    """The file is 0600 and its new directory 0700, whatever the umask says."""
    before = os.umask(0)
    try:
        jwk_file.create(path)
    finally:
        os.umask(before)

    assert (0o600, 0o700) == (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode))


def test_an_existing_file_is_never_overwritten(path: Path) -> None:
    """The second creation leaves the first key alone and says so."""
    jwk_file.create(path)
    before = path.read_bytes()

    assert not jwk_file.create(path)
    assert before == path.read_bytes()


def test_rotation_puts_the_new_key_first_and_keeps_the_old(path: Path) -> None:
    """What was issued before goes on verifying."""
    jwk_file.create(path, "EdDSA")
    [old] = read_key_file(path)

    kid = jwk_file.rotate(path)

    assert [(kid, "EdDSA"), (old["kid"], "EdDSA")] == [(key["kid"], key["alg"]) for key in read_key_file(path)]


def test_rotation_may_change_the_algorithm(path: Path) -> None:
    """A service moves from a shared key to a key pair by a rotation."""
    jwk_file.create(path)
    jwk_file.rotate(path, "EdDSA")

    assert ["EdDSA", "HS256"] == [key["alg"] for key in read_key_file(path)]


def test_a_key_can_be_made_known_before_it_signs(path: Path) -> None:
    """Where machines hold copies of a file, the new key is last in all of them, and then goes first."""
    jwk_file.create(path)
    [old] = read_key_file(path)
    kid = jwk_file.rotate(path, signs=False)
    known = [key["kid"] for key in read_key_file(path)]
    jwk_file.promote(path, kid)
    promoted = [key["kid"] for key in read_key_file(path)]
    with pytest.raises(StartupError, match="no key unknown"):
        jwk_file.promote(path, "unknown")

    assert ([old["kid"], kid], [kid, old["kid"]]) == (known, promoted)
    assert promoted == [key["kid"] for key in read_key_file(path)]


def test_rotations_at_once_lose_no_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that rotate at the same time make a key each, one after the other."""
    monkeypatch.setattr(jwk_file, "LOCK_S", HANGS_S)
    jwk_file.create(path)
    with ThreadPoolExecutor(8) as pool:
        kids = list(pool.map(lambda _: jwk_file.rotate(path), range(8)))

    assert set(kids) < {key["kid"] for key in read_key_file(path)}
    assert 9 == len(read_key_file(path))


def test_rotation_leaves_no_other_file(path: Path) -> None:
    """The temporary file becomes the key file; only the lock stays beside it."""
    jwk_file.create(path)
    jwk_file.rotate(path)

    assert {path.name} == {file.name for file in path.parent.iterdir() if not file.name.endswith(".lock")}


def test_a_written_file_is_durable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is on disk before it gets its name, and the name is on disk before the command ends."""
    synced: list[tuple[bool, bool]] = []

    def fsync(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    jwk_file.create(path)

    assert [(False, False), (True, True)] == synced


@pytest.mark.parametrize("failure", [None, PermissionError()])
def test_a_rotated_file_keeps_its_owner(path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception | None) -> None:
    """Root may rotate what the service must read; others need no right to give files away."""
    jwk_file.create(path)
    owners: list[tuple[int, int]] = []

    def fchown(_descriptor: int, uid: int, gid: int) -> None:
        owners.append((uid, gid))
        if failure is not None:
            raise failure

    owner = path.stat().st_uid, path.stat().st_gid
    monkeypatch.setattr(os, "fchown", fchown)
    kid = jwk_file.rotate(path)

    assert [owner] == owners
    assert kid == read_key_file(path)[0]["kid"]


def test_keys_of_absent_use_are_for_signing(path: Path) -> None:
    """RFC 7517 §4.2: the member is optional."""
    assert 1 == len(read_key_file(write(path, {"keys": [without(OCT, "use")]})))


def test_a_retired_key_is_gone(path: Path) -> None:
    """Retiring takes one key out; the one that signs and unknown ones are refused."""
    jwk_file.create(path)
    [old] = read_key_file(path)
    kid = jwk_file.rotate(path)
    with pytest.raises(StartupError, match="rotate first"):
        jwk_file.retire(path, kid)
    with pytest.raises(StartupError, match="no key"):
        jwk_file.retire(path, "unknown")
    jwk_file.retire(path, old["kid"])

    assert [kid] == [key["kid"] for key in read_key_file(path)]


def test_a_shared_key_has_no_public_half() -> None:
    """An oct key is secret as a whole."""
    assert public_jwk(OCT) is None


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_public_half_holds_nothing_private(algorithm: str) -> None:
    """No private member of RFC 7518 §6 is in it."""
    public = public_jwk(new_jwk(algorithm)) or {}

    assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & public.keys()


def without(key: Jwk, *names: str) -> Jwk:
    """Return *key* without some members."""
    return {name: value for name, value in key.items() if name not in names}


ED = new_jwk("EdDSA")
P_384 = {
    **ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True),
    "alg": "ES256",
    "use": "sig",
    "kid": "p-384",
}
WRONG_FILES = {
    "not JSON": (b"not json", "not a JWK Set"),
    "not UTF-8": (b"\xff\xfe", "not a JWK Set"),
    "empty": (b"", "not a JWK Set"),
    "an array": ([OCT], "not a JWK Set"),
    "a single key": (OCT, "not a JWK Set"),
    "no keys": ({"keys": []}, "at least one key"),
    "keys that are none": ({"keys": ["x"]}, "at least one key"),
    "no kid": ({"keys": [without(OCT, "kid")]}, "key 1: kid"),
    "a kid that is no text": ({"keys": [{**OCT, "kid": 7}]}, "key 1: kid"),
    "two of one kid": ({"keys": [OCT, {**ED, "kid": OCT["kid"]}]}, "share a kid"),
    "alg none": ({"keys": [{**OCT, "alg": "none"}]}, "key 1: alg"),
    "no alg": ({"keys": [without(OCT, "alg")]}, "key 1: alg"),
    "alg of another kty": ({"keys": [{**ED, "alg": "HS256"}]}, "do not belong together"),
    "alg of another curve": ({"keys": [{**ED, "alg": "ES256"}]}, "do not belong together"),
    "a curve that no verifier knows": ({"keys": [P_384]}, "do not belong together"),
    "an Edwards curve that no verifier knows": ({"keys": [{**ED, "crv": "Ed448"}]}, "do not belong together"),
    "a key for encryption": ({"keys": [{**OCT, "use": "enc"}]}, "use must be sig"),
    "a kid that no verifier reads": ({"keys": [{**OCT, "kid": "k" * 257}]}, "key 1: kid"),
    "a short secret": ({"keys": [{**OCT, "k": "c2hvcnQ"}]}, "at least 32 bytes"),
    "no secret": ({"keys": [without(OCT, "k")]}, "not a usable"),
    "a secret that is no text": ({"keys": [{**OCT, "k": 7}]}, "not a usable"),
    "a public half": ({"keys": [OCT, without(ED, "d")]}, "key 2: the private half"),
}


@pytest.mark.parametrize(("content", "problem"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_a_wrong_file_is_one_line(path: Path, content: Any, problem: str) -> None:
    """The error is one line that names the file and the rule, and no member of the key."""
    with pytest.raises(StartupError, match=problem) as caught:
        read_key_file(write(path, content))

    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert not [secret for secret in (OCT["k"], ED["d"]) if secret in text]


def test_a_missing_file_says_how_to_make_one(path: Path) -> None:
    """The error for a missing file names the command that writes it."""
    with pytest.raises(StartupError, match="keys init"):
        read_key_file(path)


def test_a_directory_is_no_key_file(tmp_path: Path) -> None:
    """A path that cannot be read as a file is named."""
    with pytest.raises(StartupError, match="cannot read the key file"):
        read_key_file(tmp_path)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o650, 0o660, 0o666])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    """Any right of group or others is too much."""
    with pytest.raises(StartupError, match="open to other users"):
        read_key_file(write(path, {"keys": [OCT]}, mode))


def test_refresh_keys_must_be_shared_keys(settings: Settings) -> None:
    """A key pair in the file for refresh tokens is a problem named at start, not a crash."""
    write_key_file(settings.refresh_keys, [ED])

    with pytest.raises(StartupError, match=r"refresh\.jwks\.json.*HS256"):
        create_app(settings)


def test_a_kid_can_be_given_on_a_command_line() -> None:
    """None looks like an option."""
    assert all(jwk.new_jwk("HS256")["kid"].isalnum() for _ in range(1000))


def test_a_group_may_read_what_it_cannot_change(path: Path) -> None:
    """Kubernetes gives a secret as root's, readable by the pod's group; a rotation leaves the group its right."""
    jwk_file.create(path)
    path.chmod(0o640)

    jwk_file.rotate(path)

    assert (0o640, 2) == (stat.S_IMODE(path.stat().st_mode), len(read_key_file(path)))


@pytest.mark.parametrize(
    ("mode", "owner", "expected"),
    [
        (0o440, 0, False),
        (0o440, os.geteuid(), False),
        (0o440, os.geteuid() + 1, True),
        (0o460, 0, True),
        (0o444, 0, True),
        (0o400, os.geteuid() + 1, False),
    ],
)
def test_a_group_is_trusted_by_root_and_by_the_service_alone(mode: int, owner: int, expected: bool) -> None:
    """A file that a stranger owns is readable by a group of the stranger's choice."""
    status = os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, 1, 1, 1, 1, 1))

    assert expected is jwk_file._is_open_to_others(status)


@pytest.mark.skipif(os.name != "posix", reason="links need a right elsewhere")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Another service may know the file by its own name, and must see each key."""
    place, link = tmp_path / "shared" / "access.jwks.json", tmp_path / "access.jwks.json"
    link.symlink_to(place)
    made = jwk_file.create(link)
    kid = jwk_file.rotate(link)

    assert made
    assert link.is_symlink()
    assert kid == jwk_file.read_key_file(place)[0]["kid"]
    assert not jwk_file.create(place)


def test_a_file_that_another_command_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing changes, and the message says what to wait for."""
    monkeypatch.setattr(jwk_file, "LOCK_S", 0)
    path = tmp_path / "access.jwks.json"
    jwk_file.create(path)
    before = path.read_bytes()
    with (
        FileLock(tmp_path / ".access.jwks.json.lock"),
        pytest.raises(StartupError, match=r"another command holds .*lock"),
    ):
        jwk_file.rotate(path)

    assert before == path.read_bytes()
