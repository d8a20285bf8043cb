"""The key of bound sessions in a file: one key, closed to others, whatever happened to the file and its folder."""

import base64
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from dualtoken.client import FileProofKey, FileStorage, StorageError
from dualtoken.client.proof_keys import key_path, thumbprint
from dualtoken.client.storage.proof_key import existing_proof_key

MAKE = (
    "import sys; from dualtoken.client import FileProofKey; from dualtoken.client.proof_keys import thumbprint;"
    "sys.stdin.readline(); print(thumbprint(FileProofKey(sys.argv[1]).public_jwk))"
)
P256 = bytes.fromhex("06082a8648ce3d030107")  # its object identifier in DER
UNKNOWN_CURVE = bytes.fromhex("06082a8648ce3d03017f")


def name_of(key: FileProofKey) -> str:
    """Return the thumbprint of a key."""
    return thumbprint(key.public_jwk)


def test_processes_that_make_one_at_once_have_one(tmp_path: Path) -> None:
    """The first counts."""
    path = tmp_path / "new" / "key.pem"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for maker in makers:
        assert maker.stdin
        maker.stdin.write("go\n")
        maker.stdin.flush()
    names = {maker.communicate()[0].strip() for maker in makers}

    assert {name_of(FileProofKey(path))} == names


def test_what_a_process_left_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    """Its number comes again: in a container, each time."""
    path = tmp_path / "key.pem"
    for left in (f".key.pem.{os.getpid()}", ".key.pem.tmp"):
        (tmp_path / left).write_text("half a key")

    assert name_of(FileProofKey(path)) == name_of(FileProofKey(path))


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there are no modes")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o666])
def test_a_key_that_others_can_read_is_closed(tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    """As the token file is: copied by hand, it may be open."""
    path = tmp_path / "key.pem"
    made = name_of(FileProofKey(path))
    path.chmod(mode)
    with caplog.at_level(logging.WARNING):
        found = name_of(FileProofKey(path))

    assert (made, 0o600) == (found, stat.S_IMODE(path.stat().st_mode))
    assert f"{path} could be read by others" in caplog.text


def test_a_link_to_the_token_file_leads_to_its_key(tmp_path: Path) -> None:
    """Who knows the file by another name finds its sessions, and what they are bound to."""
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "tokens.json")

    assert key_path(tmp_path / "tokens.json") == key_path(link)


def test_the_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a token file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    FileProofKey("~/key.pem")

    assert (tmp_path / "key.pem").is_file()


@pytest.mark.parametrize("kind", ["P-384", "secp256k1", "RSA", "encrypted", "public", "a curve that nobody knows"])
def test_another_key_is_told(tmp_path: Path, kind: str) -> None:
    """It is named, with the way out."""
    path = tmp_path / "key.pem"
    path.write_bytes(pem_of(kind))

    with pytest.raises(StorageError, match=r"key.pem holds no .*log in again"):
        FileProofKey(path)


def pem_of(kind: str) -> bytes:
    """Return a PEM text that is none of ours."""
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = ec.generate_private_key({"P-384": ec.SECP384R1(), "secp256k1": ec.SECP256K1()}.get(kind, ec.SECP256R1()))
    if kind == "public":
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if kind == "a curve that nobody knows":
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        text = base64.encodebytes(der.replace(P256, UNKNOWN_CURVE))
        return b"-----BEGIN PRIVATE KEY-----\n" + text + b"-----END PRIVATE KEY-----\n"
    protection = BestAvailableEncryption(b"secret") if kind == "encrypted" else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def test_a_key_that_cannot_be_looked_for_is_told(tmp_path: Path) -> None:
    """It is not taken for one that is lost, which would end its session: here its name is too long for the disk."""
    with pytest.raises(StorageError, match="cannot be read: File name too long"):
        existing_proof_key(FileStorage(tmp_path / ("x" * 250)))
