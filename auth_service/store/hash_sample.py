"""A sample of the accounts that have a password: from all over the table, at the price of a few pages."""

from typing import Any

from sqlalchemy import BigInteger, Connection, Select, func, literal, literal_column, select

from .schema import users

Sample = list[tuple[str, str]]
"""Ids and hashes."""
_ROWS = 1024  # of SQLite, and of PostgreSQL that and more
_PAGES = 64


def hash_sample(connection: Connection) -> Sample:
    """Return mostly the same accounts each time, whoever asks: what one process has seen, the next sees too.

    A table that doubles loses every other one of them, and gains as many that are new.
    """
    drawn = _of_sqlite(connection) if connection.dialect.name == "sqlite" else _of_postgresql(connection)
    return [(row[0], row[1]) for row in connection.execute(drawn).all() if row[1]]


def _of_sqlite(connection: Connection) -> Select[Any]:
    rowid = literal_column("users.rowid", BigInteger)
    last = connection.execute(select(func.max(rowid)).select_from(users)).scalar_one() or 0
    stride = _power_of_two(last / _ROWS)
    return select(users.c.id, users.c.password_hash).where(rowid.in_(range(stride, last + 1, stride)))


def _of_postgresql(connection: Connection) -> Select[Any]:
    size = select(func.pg_relation_size(literal_column("'users'::regclass")))
    pages = connection.execute(select(size.scalar_subquery() / literal_column("current_setting('block_size')::int")))
    share = 100 / _power_of_two(int(pages.scalar_one()) / _PAGES)
    drawn = users.tablesample(func.system(literal(share)), seed=literal(0))
    return select(drawn.c.id, drawn.c.password_hash)


def _power_of_two(least: float) -> int:
    """Return the smallest one that is no less: what is drawn at one is drawn at the half, too."""
    power = 1
    while power < least:
        power *= 2
    return power
