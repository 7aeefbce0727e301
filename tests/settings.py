"""The settings of a function, found in its module."""

from types import ModuleType

from gatehouse.settings import Settings


def settings_of(module: ModuleType) -> type[Settings]:
    """Finds the class of the settings that a function's module defines."""
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Settings) and value.__module__ == module.__name__
    )
    return found
