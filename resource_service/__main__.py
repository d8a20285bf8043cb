"""``python -m resource_service serve``. Exit status 2: a problem, named in one line each."""

from dualtoken_serving.command import naming_the_extra


def main() -> None:
    """Run a command."""
    with naming_the_extra("resource", __package__):
        from .cli import main as run

        run()


if __name__ == "__main__":
    main()
