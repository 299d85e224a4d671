"""The one error a user can cause."""


class InputError(Exception):
    """Bad usage or bad input: one sentence that names the file and what was expected; exit code 2 in the shell."""
