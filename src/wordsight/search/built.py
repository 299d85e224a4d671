"""What a build of an index did."""

from dataclasses import dataclass, field


@dataclass
class Built:
    """What a build did, in names of pictures and videos.

    Attributes:
        added: they were new.
        refreshed: their content had changed, or their rows were damaged.
        moved: their files are called otherwise than before; these are the new names.
        unchanged: how many were as the index knew them.
        broken: they cannot be read, and why; what the index knows of them stays.
        forgotten: they were gone.
        unread: why the text of some was not read, where the text of pictures is.
    """

    added: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    unchanged: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How many pictures and videos are in the index as they should be."""
        return len(self.added) + len(self.refreshed) + len(self.moved) + self.unchanged

    def take_over(self, first: "Built") -> None:
        """Count what a part of the same files was built with before, which is unchanged by now."""
        for name in ("added", "refreshed", "moved"):
            getattr(self, name)[:0] = getattr(first, name)
        self.unchanged -= len(first.added) + len(first.refreshed) + len(first.moved)
        self.broken |= first.broken
