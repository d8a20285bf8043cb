import json
import re
import stat
from pathlib import Path

import pytest

from dualtoken.auth_service.domain.key_life import MADE, SIGNED_UNTIL
from dualtoken.auth_service.keys.jwk_file import read_key_file, write_key_file
from tests.auth_service.command_line import Run, problem

FILES = ("access.jwks.json", "refresh.jwks.json")


def test_init_writes_both_files(run: Run, tmp_path: Path) -> None:
    """A directory gets the key for access tokens and the key for refresh tokens, different and private."""
    finished = run("keys", "init", "--dir", str(tmp_path / "keys"))
    access, refresh = (read_key_file(tmp_path / "keys" / name)[0] for name in FILES)

    assert (0, 2) == (finished.status, finished.out.count("written"))
    assert access["k"] != refresh["k"]
    assert {0o600} == {stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) for name in FILES}


def test_init_writes_where_the_settings_say(run: Run, tmp_path: Path) -> None:
    """Without a directory, the files are those of AUTH_ACCESS_KEYS and AUTH_REFRESH_KEYS."""
    assert 0 == run("keys", "init").status
    assert all((tmp_path / name).exists() for name in FILES)


def test_init_never_overwrites(run: Run, tmp_path: Path) -> None:
    """A second init leaves both files alone and says so."""
    run("keys", "init")
    before = [(tmp_path / name).read_bytes() for name in FILES]
    finished = run("keys", "init")

    assert (0, 2) == (finished.status, finished.out.count("exists, left alone"))
    assert before == [(tmp_path / name).read_bytes() for name in FILES]


def test_init_makes_a_key_pair_for_access_tokens_only(run: Run, tmp_path: Path) -> None:
    """Whatever signs access tokens, refresh tokens keep a shared key that nobody else knows."""
    run("keys", "init", "--algorithm", "EdDSA")

    assert ["EdDSA", "HS256"] == [read_key_file(tmp_path / name)[0]["alg"] for name in FILES]


@pytest.mark.parametrize("algorithm", ["none", "HS512", "", "eddsa"])
def test_another_algorithm_is_named(run: Run, algorithm: str) -> None:
    """An algorithm that is not served is one line that lists those that are."""
    assert "HS256, EdDSA, ES256, RS256" in problem(run("keys", "init", "--algorithm", algorithm))


def test_a_place_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    """A directory below a file is one line with the path."""
    (tmp_path / "file").touch()

    assert str(tmp_path / "file" / "keys") in problem(run("keys", "init", "--dir", str(tmp_path / "file" / "keys")))


def test_a_path_is_shown_as_it_is(run: Run, tmp_path: Path) -> None:
    """Brackets in a path are text, not markup."""
    directory = tmp_path / "[bold]"

    assert f"{directory / FILES[0]}: written" in run("keys", "init", "--dir", str(directory)).out


def test_rotate_puts_new_keys_first(run: Run, tmp_path: Path) -> None:
    """Both files get a new first key and keep the old one; the answer names the new ones."""
    run("keys", "init")
    old = [read_key_file(tmp_path / name)[0]["kid"] for name in FILES]
    finished = run("keys", "rotate")
    after = [[key["kid"] for key in read_key_file(tmp_path / name)] for name in FILES]

    assert old == [kids[1] for kids in after]
    assert all(f"key {kids[0]} signs" in finished.out for kids in after)


@pytest.mark.parametrize(("only", "counts"), [("access", [2, 1]), ("refresh", [1, 2])])
def test_rotate_may_be_of_one_file(run: Run, tmp_path: Path, only: str, counts: list[int]) -> None:
    """With --only, the other file is left alone."""
    run("keys", "init")
    run("keys", "rotate", "--only", only)

    assert counts == [len(read_key_file(tmp_path / name)) for name in FILES]


def test_a_rotation_may_be_made_known_first(run: Run, tmp_path: Path) -> None:
    """With --verify-only the old key goes on to sign, until the new one is promoted."""
    run("keys", "init")
    path = tmp_path / FILES[1]
    [old] = read_key_file(path)
    rotated = run("keys", "rotate", "--only", "refresh", "--verify-only")
    before, fresh = (key["kid"] for key in read_key_file(path))
    promoted = run("keys", "promote", fresh)

    assert (f"{path}: key {fresh} verifies from now on\n", old["kid"]) == (rotated.out, before)
    assert f"{path}: key {fresh} signs from now on\n" == promoted.out
    assert [fresh, old["kid"]] == [key["kid"] for key in read_key_file(path)]
    assert "no key unknown" == problem(run("keys", "promote", "unknown"))


def test_rotate_needs_files(run: Run) -> None:
    """There is nothing to rotate before init, and the line says so."""
    assert "keys init" in problem(run("keys", "rotate"))


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_list_shows_no_secret(run: Run, tmp_path: Path, options: list[str]) -> None:
    """The list names keys and algorithms, never key material."""
    run("keys", "init")
    finished = run("keys", "list", *options)
    access = read_key_file(tmp_path / FILES[0])[0]

    assert 0 == finished.status
    assert access["k"] not in finished.out
    assert not options or [True, True] == [row["signs"] for row in json.loads(finished.out)]


def aged(path: Path, seconds: int) -> None:
    """Let what a key file tells have happened that long ago."""
    keys = read_key_file(path)
    for key in keys:
        for name in {MADE, SIGNED_UNTIL} & key.keys():
            key[name] -= seconds
    write_key_file(path, keys)


def test_rotate_reads_all_files_first(run: Run, tmp_path: Path) -> None:
    """Where one cannot be read, none is changed: a repetition would make a key too many."""
    run("keys", "init")
    access, refresh = (tmp_path / name for name in FILES)
    before = access.read_bytes()
    refresh.write_text("{}")

    assert "not a JWK Set" in problem(run("keys", "rotate"))
    assert before == access.read_bytes()


def test_list_shows_ages_and_what_still_lives(run: Run, tmp_path: Path) -> None:
    """For people in days and by what becomes of tokens, for programs in seconds since the epoch."""
    run("keys", "init")
    run("keys", "rotate", "--only", "access")
    run("keys", "rotate", "--only", "refresh", "--verify-only")
    aged(tmp_path / FILES[0], 3 * 86_400)
    rows = json.loads(run("keys", "list", "--json").out)
    table = run("keys", "list").out

    assert ["3 d", "3 d", "0 d", "0 d"] == re.findall(r"\d d", table)
    assert [None, 0, None, 0] == [row["needed_until"] and 0 for row in rows]
    assert [3660, 0] == [rows[1]["needed_until"] - rows[0]["made_at"], rows[3]["needed_until"]]
    assert 2 == table.count("signs and verifies")
    assert "nothing that it signed is alive" in table
    assert "has signed nothing yet" in table


@pytest.mark.parametrize(("purpose", "lifetime_s"), [("access", 3600), ("refresh", 604_800)])
def test_retire_refuses_too_early(run: Run, tmp_path: Path, purpose: str, lifetime_s: int) -> None:
    """A key goes when nothing that it signed is alive, or by force: nobody is logged out by an early command."""
    run("keys", "init")
    path = tmp_path / f"{purpose}.jwks.json"
    [old] = read_key_file(path)
    run("keys", "rotate")
    refused = problem(run("keys", "retire", old["kid"]))
    assert f"{path}: key {old['kid']} verifies {purpose} tokens until " in refused
    assert refused.endswith("wait, or end them with --force")
    aged(path, lifetime_s - 30)
    assert "verifies" in problem(run("keys", "retire", old["kid"]))
    aged(path, 100)

    assert 0 == run("keys", "retire", old["kid"]).status


def test_a_key_that_never_signed_may_be_retired(run: Run, tmp_path: Path) -> None:
    """A new key that was made known by mistake."""
    run("keys", "init")
    run("keys", "rotate", "--only", "refresh", "--verify-only")
    fresh = read_key_file(tmp_path / FILES[1])[1]["kid"]

    assert 0 == run("keys", "retire", fresh).status


@pytest.mark.parametrize("text", ['{"keys":' + "[" * 100_000, '{"keys": [' + '{"a":' * 100_000, "[" * 100_000])
@pytest.mark.parametrize("command", [("keys", "list"), ("keys", "rotate"), ("serve",)])
def test_a_file_that_is_nested_too_deeply_is_named(
    run: Run, tmp_path: Path, text: str, command: tuple[str, ...]
) -> None:
    """One line with the path, as of any other file that is no key set."""
    run("keys", "init")
    (tmp_path / FILES[0]).write_text(text)

    assert f"{tmp_path / FILES[0]}: not a JWK Set (RFC 7517 §5)" == problem(run(*command))


def test_retire_takes_a_key_out(run: Run, tmp_path: Path) -> None:
    """An old key is retired by its kid; the one that signs, and an unknown one, are problems."""
    run("keys", "init")
    [old] = read_key_file(tmp_path / FILES[0])
    assert "rotate first" in problem(run("keys", "retire", "--", old["kid"]))
    run("keys", "rotate")

    assert 0 == run("keys", "retire", "--force", "--", old["kid"]).status
    assert old["kid"] not in [key["kid"] for key in read_key_file(tmp_path / FILES[0])]
    assert "no key" in problem(run("keys", "retire", "--", old["kid"]))
