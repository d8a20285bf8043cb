"""The public face of the package."""

import ast
import inspect
from typing import get_type_hints

from dualtoken import client

NAMES = [
    "AuthRejected",
    "AuthUnavailable",
    "BearerAuth",
    "Callback",
    "ClientError",
    "ConfigurationError",
    "FileProofKey",
    "FileStorage",
    "InvalidCredentials",
    "KeyringProofKey",
    "KeyringStorage",
    "LoginRequired",
    "MemoryProofKey",
    "MemoryStorage",
    "NotReplayable",
    "ProofKey",
    "RefreshRejected",
    "RefreshUnavailable",
    "Stats",
    "Storage",
    "StorageError",
    "StoredSession",
    "TokenProvider",
    "TokenSource",
    "Tokens",
    "User",
]


def test_these_names_are_exported() -> None:
    """Whoever adds or removes one does it on purpose."""
    assert NAMES == client.__all__


def test_type_checkers_see_the_same_names() -> None:
    """Those are imported for them alone, since a program gets each at its first use."""
    tree = ast.parse(inspect.getsource(client))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = [name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names]

    assert NAMES == sorted(imported)


def test_every_public_name_is_documented_and_typed() -> None:
    """Classes, their methods, and what those take and return."""
    for name in NAMES:
        thing = getattr(client, name)
        assert inspect.getdoc(thing) or not inspect.isclass(thing), name  # an alias of a type has none
        for method, function in inspect.getmembers(thing, inspect.isfunction):
            if not method.startswith("_") and function.__module__.startswith("dualtoken.client"):
                assert inspect.getdoc(function), f"{name}.{method}"
                assert "return" in get_type_hints(function, localns=vars(client)), f"{name}.{method}"


def test_the_error_tree_is_as_drawn() -> None:
    """Every error of the package is a ClientError, and the drawing shows its place."""
    drawing = (inspect.getmodule(client.ClientError).__doc__ or "").splitlines()
    depths = {
        line.split("── ")[1].split()[0]: (len(line.split("── ")[0]) - 5) // 4 for line in drawing if "── " in line
    }
    errors = {
        name: len(thing.__mro__)
        for name in NAMES
        if inspect.isclass(thing := getattr(client, name)) and issubclass(thing, Exception) and name != "ClientError"
    }

    assert set(errors) == set(depths)
    assert {"RefreshUnavailable", "RefreshRejected"} == {name for name, depth in depths.items() if depth == 1}
    assert issubclass(client.RefreshUnavailable, client.AuthUnavailable)
    assert issubclass(client.RefreshRejected, client.AuthRejected)


def test_errors_can_be_copied_for_each_caller() -> None:
    """A twin has the same type, text and attributes, and is another object."""
    for error in (client.LoginRequired("reused"), client.RefreshUnavailable("away", 7.0), client.StorageError("full")):
        error.__cause__ = ValueError("why")
        twin = error.copy_for_raise()

        assert (type(error), str(error), vars(error)) == (type(twin), str(twin), vars(twin))
        assert (False, True) == (twin is error, twin.__cause__ is error.__cause__)
