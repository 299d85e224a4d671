"""Pictures whose files are gone: the user can prune those that are surely gone, and must confirm the others.

A drive that is not mounted looks like a folder that is gone or empty. So a picture is surely gone only if another
picture of the index is still in the same folder; for all others the user must say so.
"""

import os
from collections.abc import Callable

from wordsight.errors import InputError
from wordsight.search.catalog import Catalog
from wordsight.search.frames import file_of
from wordsight.search.paths import Paths


class Gone:
    """Pictures that can be pruned from an index.

    Attributes:
        deleted: names of gone pictures from folders where others still exist, and of gone files that were never
            indexed, from folders that are not empty.
        unreachable: names of the others that are gone.
    """

    def __init__(self, catalog: Catalog, paths: Paths) -> None:
        self._catalog = catalog
        known = [entry.path for entry in catalog.entries()]
        lost = [key for key in known if paths.is_gone(key)]
        alive = {os.path.dirname(key) for key in set(known).difference(lost)}
        self.deleted = [key for key in lost if os.path.dirname(key) in alive]
        self.unreachable = [key for key in lost if os.path.dirname(key) not in alive]
        for key in filter(paths.is_gone, only_broken(catalog)):
            (self.deleted if paths.is_deleted(key) else self.unreachable).append(key)
        self._folder = os.path.dirname(str(paths.path(self.unreachable[0]))) if self.unreachable else ""

    def forget(self, force: bool | Callable[[str], bool]) -> list[str]:
        """Remove these pictures from the index; returns their names.

        Args:
            force: True to remove the unreachable ones too; or a function that asks the user.

        Raises:
            InputError: unreachable pictures may not be removed; none is removed then.
        """
        if self.unreachable and force is not True:
            what = f"{self._folder}: no picture is left there; its drive may not be mounted"
            count = len(self.unreachable)
            asked = f"{what}. Forget {count:,} pictures of such folders, with what is known of them?"
            if not force or not force(asked):
                raise InputError(f"{what}; {count:,} pictures of such folders would be forgotten, --force does it.")
        gone = [*self.deleted, *self.unreachable]
        with self._catalog.change():
            self._catalog.forget(dict.fromkeys([*gone, *map(file_of, gone)]))  # a broken video, with its frames
        return gone


def only_broken(catalog: Catalog) -> list[str]:
    """Names of the files that cannot be read, and of which the index has neither a picture nor frames.

    Raises:
        InputError: one of these rows is damaged.
    """
    broken = catalog.broken()
    return sorted(broken.keys() - {file_of(entry.path) for entry in catalog.entries()}) if broken else []
