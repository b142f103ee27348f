"""A module, not a program: it has no executable bit."""

COUNT = 0


def greet(name: str) -> str:
    return f"{__name__} greets {name}"
