#!/usr/bin/env python3
"""Make the passwords of the database, once: a folder for each role, below the folder that is the argument.

What is there is left alone. Everybody in a container that mounts a folder may read its files: the number of the user
that the database runs as differs between images, and nothing but the service itself runs in these containers.
"""

import os
import secrets
import sys
from pathlib import Path

BYTES = 32
URL = "postgresql://{role}:{password}@database:5432/dualtoken"
ROLES = {
    "database-admin": "postgres",  # makes the others, and is used by nobody else
    "database-owner": "dualtoken_owner",  # owns the tables, and changes them: `migrate`
    "database": "dualtoken",  # works on rows: `serve` and the operator's commands
}


def write_once(path: Path, text: str) -> str:
    """Write *text* unless the file exists; return what it holds. A file is there whole or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="ascii")
    with new.open() as file:
        os.fsync(file.fileno())
    new.chmod(0o444)
    try:
        os.link(new, path)
        print(f"{path}: made")
    except FileExistsError:
        print(f"{path}: exists, left alone")
    finally:
        new.unlink()
    return path.read_text(encoding="ascii")


def main(keys: Path) -> None:
    """Make what is missing: the files ``password`` and ``url`` of each role."""
    for name, role in ROLES.items():
        folder = keys / name
        folder.chmod(0o755)
        password = write_once(folder / "password", secrets.token_urlsafe(BYTES))
        write_once(folder / "url", URL.format(role=role, password=password))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
