"""Show a picture in the file manager of the machine that the server runs on."""

import shutil
import subprocess
import sys
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import reason


def reveal(path: Path) -> None:
    """Show a file in its folder.

    Raises:
        InputError: there is no file manager, or it does not start.
    """
    full = path.absolute()
    if sys.platform == "darwin":
        command = ["open", "-R", str(full)]
    elif sys.platform == "win32":
        command = ["explorer", "/select,", str(full)]
    else:
        command = ["xdg-open", str(full.parent)]
    if shutil.which(command[0]) is None:
        raise InputError(f"This machine has no file manager that can be opened ({command[0]} is missing).")
    try:
        quiet = subprocess.DEVNULL
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError as error:
        raise InputError(f"The file manager cannot be opened ({reason(error)}).") from None
