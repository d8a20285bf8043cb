"""``python -m auth_service serve | migrate | keys … | users …``. Exit status 2: a problem, named in one line each."""

import sys

from auth_service.cli import main

if __name__ == "__main__":
    sys.exit(main())
