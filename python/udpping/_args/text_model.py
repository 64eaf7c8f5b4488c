"""The base class of the models of losses and delays and of the detectors."""

from udpping._args.keywords import SuggestsKeywords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class TextModel(SuggestsKeywords):
    """A checked text. Those of one module are equal when their texts are."""

    __slots__ = ("_text",)

    _MODULE: "ClassVar[str]"

    def __init__(self, text: str) -> None:
        self._text = text

    def is_of(self, module: str) -> bool:
        """Return whether it is a model of that module."""
        return module == self._MODULE

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<{self._MODULE}.{type(self).__name__} {self._text}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TextModel) or self._MODULE != other._MODULE:
            return NotImplemented
        return self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> "tuple[object, ...]":
        return restore, (type(self), self._text)


def restore(model: type[TextModel], text: str) -> TextModel:
    """Make a model of any class from its text, for `pickle` and `copy`."""
    restored = model.__new__(model)
    TextModel.__init__(restored, text)
    return restored
