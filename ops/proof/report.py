"""The steps of a proof and how each ended, as a page to keep and as JSON; no secret is in either."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from ops.shown import printable

_HIDDEN: Final = "…"
_LONG: Final = 8
"""Characters from which on a value of a secret's document is one that may not be told."""


class Outcome(StrEnum):
    """The end of a step."""

    PROVED = "proved"
    FAILED = "failed"
    NOT_PROVED = "not proved"


class NotProvedError(Exception):
    """No fault was seen, but it cannot be seen here."""


class RefutedError(Exception):
    """It is not as it is to be."""


@dataclass
class Step:
    """One thing that was to be proved."""

    id: str
    claim: str
    """The claim that is proved, as a sentence."""
    outcome: Outcome = Outcome.PROVED
    reason: str = ""
    """The reason if it is not proved; or what was seen besides."""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


class Report:
    """The results of a run so far.

    Args:
        folder: where it is kept.
        about: versions, region and the like, by name.
    """

    def __init__(self, folder: Path, about: Mapping[str, str]) -> None:
        self.folder = folder
        self.about = dict(about)
        self.steps: list[Step] = []
        self._began = datetime.now(UTC)
        self._hidden: set[str] = set()

    def hide(self, document: Any) -> None:
        """Keeps the values of a secret's document out of everything that is written or printed."""
        if isinstance(document, Mapping):
            for value in document.values():
                self.hide(value)
        elif isinstance(document, list | tuple):
            for value in document:
                self.hide(value)
        elif isinstance(document, str) and len(document) >= _LONG:
            self._hidden.add(document)

    @contextlib.contextmanager
    def step(self, id: str, claim: str) -> Iterator[Step]:  # noqa: A002 - it is one
        """A step: what is raised in it says how it ended, and the next one follows.

        Raises:
            KeyboardInterrupt: the prover does not want to go on.
        """
        step = Step(id, claim)
        self.steps.append(step)
        print(f"{'…':<12}{claim}", flush=True)
        began = time.monotonic()
        try:
            yield step
        except NotProvedError as error:
            step.outcome, step.reason = Outcome.NOT_PROVED, str(error)
        except RefutedError as error:
            step.outcome, step.reason = Outcome.FAILED, str(error)
        except KeyboardInterrupt:
            step.outcome, step.reason = Outcome.FAILED, "interrupted"
            raise
        except Exception as error:  # noqa: BLE001 - a report that says so is worth more than a run that ends
            step.outcome, step.reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
        finally:
            step.seconds = round(time.monotonic() - began, 1)
            step.reason = self.clean(step.reason)
            ending = f" ({step.reason})" if step.reason else ""
            print(f"{step.outcome:<12}{step.seconds:>6} s  {step.id}{printable(ending)}", flush=True)
            self.write()

    def ended(self, id: str) -> Step | None:  # noqa: A002 - it is one
        """A step that was gone through, if it was."""
        return next((step for step in self.steps if step.id == id), None)

    def figures(self, id: str) -> Mapping[str, Any]:  # noqa: A002 - it is one
        """The figures of a step.

        Raises:
            NotProvedError: the step was not gone through, or did not prove anything.
        """
        step = self.ended(id)
        if step is None or step.outcome is not Outcome.PROVED:
            raise NotProvedError(f"the step {id} did not come to its end")
        return step.figures

    @property
    def has_failed(self) -> bool:
        """True if a step has failed."""
        return any(step.outcome is Outcome.FAILED for step in self.steps)

    def clean(self, text: str) -> str:
        """A text in one line, without what may not be told."""
        for hidden in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(hidden, _HIDDEN)
        return printable(" ".join(text.split()))

    def write(self) -> None:
        """Writes it down as it is now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        about = {**self.about, "began": self._began.isoformat(timespec="seconds")}
        document = {
            "about": about,
            "steps": [
                {
                    "id": step.id,
                    "claim": step.claim,
                    "outcome": step.outcome,
                    "reason": step.reason,
                    "seconds": step.seconds,
                    "figures": step.figures,
                }
                for step in self.steps
            ],
        }
        self._put("report.json", json.dumps(document, indent=2, ensure_ascii=False, default=str))
        counts = ", ".join(f"{sum(step.outcome is one for step in self.steps)} {one}" for one in Outcome)
        lines = [
            "# Proof of a deployment",
            "",
            *(f"- {name}: {value}" for name, value in about.items()),
            f"- steps: {counts}",
            "",
            "| step | claim | outcome | s | |",
            "|---|---|---|---|---|",
        ]
        for step in self.steps:
            seen = "; ".join(
                [*filter(None, [step.reason]), *(f"{name} {value}" for name, value in step.figures.items())]
            )
            cells = [step.id, step.claim, step.outcome, str(step.seconds), seen]
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        self._put("report.md", "\n".join(lines))

    def _put(self, name: str, text: str) -> None:
        for hidden in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(hidden, _HIDDEN)
        (self.folder / name).write_text(text + "\n")
