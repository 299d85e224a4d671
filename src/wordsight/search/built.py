"""Result of a build of an index."""

from dataclasses import dataclass, field


@dataclass
class Built:
    """Result of a build: the names of pictures and videos, by what was done with them.

    Attributes:
        added: new ones.
        refreshed: those whose content had changed or whose rows were damaged.
        moved: those whose files were moved or renamed, by their new names.
        unchanged: the number of those that were up to date.
        broken: those that cannot be read, with the reasons; what the index knows of them stays.
        gone: the names in `broken` of which there is no file, except files whose drive may be missing.
        forgotten: those that were pruned because their files are gone.
        unread: the reasons why the text of some was not read, if the index reads text.
    """

    added: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    unchanged: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    forgotten: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """The number of pictures and videos that are up to date in the index."""
        return len(self.added) + len(self.refreshed) + len(self.moved) + self.unchanged

    def take_over(self, first: "Built") -> None:
        """Add the result of an earlier build of some of the same files, which this build counted as unchanged."""
        for name in ("added", "refreshed", "moved"):
            getattr(self, name)[:0] = getattr(first, name)
        self.unchanged -= len(first.added) + len(first.refreshed) + len(first.moved)
        self.broken |= first.broken
        self.gone |= first.gone
