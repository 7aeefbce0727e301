"""Writes docs/cost.md: `python -m ops.cost docs/cost.md`."""

import sys
from pathlib import Path

from ops.cost import document
from ops.cost.prices import Prices, assumed


def main(path: Path) -> None:
    """Counts, prices and writes."""
    path.write_text(document.rendered(document.gathered(Prices.read(), assumed())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
