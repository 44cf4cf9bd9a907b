"""Printed files as the tests run them."""


def namespace(text):
    """The names that a printed file defines."""
    names = {"__name__": "printed"}
    exec(compile(text, "printed", "exec"), names)  # noqa: S102
    return names


def made(text):
    """The module of a printed file."""
    return namespace(text)["make"]()
