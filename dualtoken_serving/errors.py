"""What keeps a service from starting."""


class StartProblem(Exception):
    """Something that the operator must mend before a service can start: exit status 2.

    Attributes:
        problems: one line for each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
