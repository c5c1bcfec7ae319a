"""A mapping that is made when somebody looks into it, so that nobody else pays for it."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class LazyMapping(Mapping[Key, Value]):
    """Makes its content at the first look, and keeps it; counts as true without a look.

    Args:
        make: gives the content.

    Example:
        >>> lazy = LazyMapping(lambda: print("made") or {"a": 1})
        >>> bool(lazy)
        True
        >>> lazy["a"], lazy["a"]
        made
        (1, 1)
    """

    def __init__(self, make: Callable[[], Mapping[Key, Value]]) -> None:
        self._make = make
        self._content: Mapping[Key, Value] | None = None

    def __getitem__(self, key: Key) -> Value:
        return self._made()[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())

    def __bool__(self) -> bool:
        return True

    def _made(self) -> Mapping[Key, Value]:
        """The content."""
        if self._content is None:
            self._content = self._make()
        return self._content
