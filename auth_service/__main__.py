"""``python -m auth_service serve | migrate | keys … | users …``. Exit status 2: a problem, named in one line each."""

import sys

from dualtoken_serving.command import naming_the_extra


def main() -> int:
    """Run a command."""
    with naming_the_extra("auth", __package__):
        from .cli import main as run

        return run()


if __name__ == "__main__":
    sys.exit(main())
