"""The one error a user can cause, and the failure of work that was asked for rightly."""


class InputError(Exception):
    """Bad usage or bad input: one sentence that names the file and what was expected; exit code 2 in the shell."""


class WorkFailed(Exception):
    """The work was asked for rightly and did not succeed: one sentence that says why; exit code 1 in the shell."""
