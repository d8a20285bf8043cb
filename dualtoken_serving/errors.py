"""Problems that prevent a service from starting."""


class StartProblem(Exception):
    """A problem that the operator must fix before a service can start: exit status 2.

    Attributes:
        problems: one line each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
