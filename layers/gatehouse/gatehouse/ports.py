"""The ports of the gate: one small protocol for each service that it needs. The class behind a port names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gatehouse.media import Upload
    from gatehouse.record import Record
    from gatehouse.spill import Step


class AccountSource[A](Protocol):
    """The port to a vendor's secret."""

    def accounts(self) -> A:
        """Returns the accounts in use.

        Raises:
            Unavailable: the secret cannot be read.
            WrongSetting: it does not hold what the vendor's README says.
        """

    def newer(self) -> A | None:
        """Returns the accounts as they are now, if they differ from those in use."""


class Store(Protocol):
    """The port to the events table."""

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        """Writes an event once.

        Returns:
            None if it was new, else the deciding words of the one that is there.

        Raises:
            Unavailable: the table did not take it.
        """

    def mark_published(self, record_id: str) -> None:
        """Marks a record as announced. Raises `Unavailable`."""

    def pending(self, ids: Sequence[str]) -> set[str]:
        """Returns those of the records that have not been announced. Raises `Unavailable`."""


class Topics(Protocol):
    """The port to the subscribers."""

    def publish(self, record: Record) -> None:
        """Announces a record. Raises `Unavailable`."""


class Spill(Protocol):
    """The port to the queue for events that the table or a topic did not take."""

    def send(self, record: Record, step: Step) -> None:
        """Keeps an event for `functions/redrive`. Raises `NotKept`."""

    def send_picture(self, upload: Upload) -> None:
        """Keeps a picture for `functions/redrive`. Raises `NotKept`."""


class MediaStore(Protocol):
    """The port to the media bucket."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    def put(self, upload: Upload) -> None:
        """Stores a picture. Raises `Unavailable`."""
