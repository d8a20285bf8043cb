"""The process that judges one password: one object of JSON on standard input, one on standard output."""

import json
import sys

from ..domain.models import User
from ..domain.password_rules import password_rule


def main() -> None:
    """Read, judge, answer."""
    question = json.load(sys.stdin)
    user = User(id="", username=question["username"], email=question["email"], scope="")
    rule = password_rule(question["min_length"], question["issuer"])
    json.dump({"problem": rule(question["password"], user)}, sys.stdout)


if __name__ == "__main__":
    main()
