"""Lists the public names of an object, as those of modules are."""


class PublicNames:
    """Lets `dir()`, and so completion, leave out what is internal."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        # Mocks made after an object look for its special methods here.
        return [name for name in super().__dir__() if not name.startswith("_") or name.startswith("__")]
