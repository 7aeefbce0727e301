"""The price table and what is assumed, both dated files beside this one."""

import tomllib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

HERE: Final = Path(__file__).parent


class Usage(dict[str, float]):
    """Amounts of everything that has a price, by the price's name."""

    def __missing__(self, _name: str) -> float:
        return 0.0

    def __add__(self, other: Mapping[str, float]) -> Self:
        return type(self)({name: self[name] + other.get(name, 0.0) for name in dict.fromkeys((*self, *other))})

    def times(self, number: float) -> Self:
        """The usage of so many times this."""
        return type(self)({name: used * number for name, used in self.items()})

    def only(self, names: Container[str]) -> Self:
        """The part that has these prices."""
        return type(self)({name: used for name, used in self.items() if name in names})


@dataclass(frozen=True, slots=True)
class Price:
    """A price, and its source."""

    text: str
    usd: float
    per: int
    page: str
    remembered: bool = False

    @property
    def each(self) -> float:
        """US$ for one."""
        return self.usd / self.per


@dataclass(frozen=True, slots=True)
class Prices:
    """The table of a region and a day."""

    region: str
    date: str
    table: Mapping[str, Price]

    @classmethod
    def read(cls, path: Path = HERE / "prices.toml") -> Self:
        """The table in a file."""
        content = tomllib.loads(path.read_text())
        table = {name: Price(**price) for name, price in content["price"].items()}
        return cls(content["region"], content["date"], table)

    def of(self, name: str, number: float = 1) -> float:
        """US$ for so many."""
        return self.table[name].each * number

    def usd(self, usage: Mapping[str, float]) -> float:
        """US$ for what was used."""
        return sum(self.of(name, number) for name, number in usage.items())


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number that was not measured yet."""

    value: float
    text: str


def assumed(path: Path = HERE / "assumed.toml") -> dict[str, Assumption]:
    """The assumptions, by name."""
    return {name: Assumption(**entry) for name, entry in tomllib.loads(path.read_text()).items()}
