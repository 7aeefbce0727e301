"""Resolves a recording: copies its files into the media bucket, and reports the result in a `media` event."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import urlsplit

from botocore.config import Config
from pydantic import Field, JsonValue
from s3transfer.manager import TransferConfig, TransferManager

from functions.eye4 import normalise, wire
from functions.eye4.client import Client, Denied, Storage
from functions.eye4.download import Body, Downloads, Interrupted, Limits, Refused, Unreachable
from functions.eye4.hosts import DEFAULT
from functions.eye4.pending import Changed, PendingFiles, Reported, Row
from functions.eye4.recording import Wanted
from functions.eye4.wire import Listed
from gatehouse import aws, edge
from gatehouse.accounts import Secret
from gatehouse.deadline import bounded
from gatehouse.errors import CallFailed, GatehouseError, Unavailable
from gatehouse.events import Common, EventBuilder, File, Link, Media, Picture
from gatehouse.gate import Admission
from gatehouse.record import MAX_EVENT_BYTES, Record
from gatehouse.settings import VendorSettings
from gatehouse.telemetry import log
from gatehouse.vocabulary import MediaFault, MediaStatus

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FILE_SECONDS: Final = 300.0
"""Seconds for one file at most."""
_GRACE: Final = 30.0
"""Further seconds for S3 to join the parts of the file."""
_API_SECONDS: Final = 45.0
"""Seconds for an answer of Eye4's API at most."""
_INVOCATION_SECONDS: Final = 780.0
"""Seconds for one invocation, below the function's Timeout of 900 s."""
_ATTEMPTS: Final = 4
"""Attempts before a bad result is believed. Time alone does not suffice: on a busy day it passes with few attempts."""
_PAUSES: Final = (0.3, 1.0)
"""Seconds between the tries of a call within an attempt: a short fault is not worth an attempt of the flow."""
_QUICK: Final = 10.0
"""Seconds after which a call is not tried again within the attempt."""
_FILES: Final = 100
"""Files of a recording that are copied at most, since SNS limits the size of an event."""
_PART: Final = 8 * 1024 * 1024
"""Bytes of a part. Only a few parts of a file are in memory at once."""
# S3 may be slow to join the parts of a file, and only a flow waits for it.
_PATIENT: Final = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4})
_DOORBELL: Final = "doorbell"
_ROLES: Final = frozenset({"image", "video", normalise.COVER})
_TYPES: Final = {
    "264": "video/h264",
    "265": "video/h265",
    "avi": "video/x-msvideo",
    "bmp": "image/bmp",
    "flv": "video/x-flv",
    "gif": "image/gif",
    "h264": "video/h264",
    "h265": "video/h265",
    "hevc": "video/h265",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "png": "image/png",
    "ts": "video/mp2t",
    "webp": "image/webp",
}
_SUFFIXES: Final = {"image": "jpg", "video": "h264", normalise.COVER: "jpg"}
"""Suffixes by a file's kind, for names without one: the formats of the vendor's example. For videos this is a guess."""
_TAKEN: Final = "taken"
"""The end of a resource message's flow whose alarm came: the alarm's flow reports the recording."""
_UNTYPED: Final = "application/octet-stream"
_RANKS: Final = {
    MediaStatus.MISSING: 0,
    MediaStatus.EXPIRED: 0,
    MediaStatus.PARTIAL: 1,
    MediaStatus.AVAILABLE: 2,
}
"""Ranks of the results: after a better result, a worse one is not reported."""
_PASSING: Final = frozenset({MediaFault.NOT_FOUND, MediaFault.UNREACHABLE, MediaFault.TOO_SLOW})
"""Faults that another attempt, with a new link, may remove."""
_REFUSED: Final = frozenset({MediaFault.HOST_NOT_ALLOWED, MediaFault.PRIVATE_ADDRESS})
"""Faults of addresses that we do not call ourselves."""


class NotThereYet(GatehouseError):
    """Eye4 does not have the recording, and it is too early to believe that. The flow's Retry names this error."""


class MoreToCopy(GatehouseError):
    """There was no time for all files; the next attempt continues. The flow's Retry names this error."""


class ResolveSettings(VendorSettings):
    """Settings of this function."""

    pending_files_table: str = Field(min_length=1)
    api_url: str = Field(default="", pattern=r"^(https?://[^/?#@]+(/[^?#]*)?)?$")
    """API in place of the vendor's own, which otherwise follows from the credentials."""
    download_hosts: str = Field(default=DEFAULT, min_length=1)
    """Hosts of the files: names, or `*.` and a name, joined by commas."""
    file_limit: int = Field(default=1024, ge=1, le=10_240)
    """Size of a file at most, in MB."""
    patience: float = Field(default=600, ge=0, le=86_400)
    """Seconds after the end of the wait for which an empty answer counts as "not yet"."""
    give_up: float = Field(default=86_400, ge=0, le=86_400)
    """Seconds after the end of the wait for which a vendor that does not answer is asked again."""
    keeps_days: int = Field(default=30, ge=1, le=3650)
    """Days for which Eye4 keeps a file."""


class Api(Protocol):
    """The resolver's calls to Eye4."""

    def files(self, fileid: str, storage: Storage) -> list[Listed]:
        """The files of a recording. Raises `CallFailed`."""


class Recorder(Protocol):
    """The resolver's port to the gate."""

    def admit(self, record: Record) -> Admission:
        """Records and publishes an event. Raises `NotKept`."""


class Bucket(Protocol):
    """The resolver's port to the bucket of the copies."""

    @property
    def name(self) -> str:
        """The name of the bucket."""

    def keep(self, key: str, body: Body, content_type: str) -> None:
        """Stores a file while it arrives. Raises the errors of `Body.read`, and `Unavailable`."""


class MediaFiles:
    """The media bucket, for whole files: uploaded in parts, so that no whole file is in memory."""

    def __init__(self, client: S3Client, name: str) -> None:
        self.name = name
        self._client = client
        self._config = TransferConfig(
            multipart_threshold=_PART,
            multipart_chunksize=_PART,
            max_request_concurrency=1,
            max_submission_concurrency=1,
            max_in_memory_upload_chunks=1,
        )

    def keep(self, key: str, body: Body, content_type: str) -> None:
        """Stores a file while it arrives; leaves nothing of one that breaks off.

        Raises:
            Refused: see `Body`.
            Interrupted: see `Body`.
            Unavailable: S3 did not accept it.
        """
        with aws.calling("upload"), TransferManager(self._client, self._config) as transfers:
            transfers.upload(cast("IO[bytes]", body), self.name, key, extra_args={"ContentType": content_type}).result()


@dataclass(frozen=True, slots=True)
class Patience:
    """Times for which the resolver waits for a better result, counted from the end of the flow's wait."""

    before_missing: timedelta
    """Time for which an empty answer counts as "not yet"."""
    before_unreachable: timedelta
    """Time for which a vendor that does not answer is asked again, as long as no file was copied."""
    retention: timedelta
    """Time for which Eye4 keeps a file, counted from the alarm."""


class Resolver:
    """Resolves recordings."""

    def __init__(
        self,
        *,
        api: Callable[[str], Api | None],
        downloads: Downloads,
        pending: PendingFiles,
        bucket: Bucket,
        recorder: Recorder,
        patience: Patience,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        unique: Callable[[], str] = lambda: os.urandom(8).hex(),
    ) -> None:
        """Makes a resolver.

        Args:
            api: returns Eye4's API for an account, or None without credentials for it; raises `LookupError` for an
                unknown account.
            downloads: opens the files.
            pending: the recordings' rows.
            bucket: for the copies.
            recorder: of the event.
            patience: times for which it waits for a better result.
            now: a clock.
            monotonic: a clock for durations.
            sleep: waits for so many seconds.
            unique: returns a random word, another one for each try.
        """
        self._api = api
        self._downloads = downloads
        self._pending = pending
        self._bucket = bucket
        self._recorder = recorder
        self._patience = patience
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self._unique = unique

    def resolve(self, wanted: Wanted, since: datetime) -> MediaStatus | None:
        """Copies the files of a recording, and reports the result in a `media` event.

        Repeated calls report the same result once; a result with more in it is reported as a correction.

        Args:
            wanted: the recording.
            since: the end of the waits for its resource message and its alarm.

        Returns:
            the status that it reported; None if the alarm's own flow reports the recording.

        Raises:
            NotThereYet: files are missing, and it is too early to believe that.
            MoreToCopy: the time of the invocation is up.
            CallFailed: Eye4 does not answer, and it is too early to give up.
            Unavailable: AWS did not accept a call.
            NotKept: neither the table nor the spill queue accepted the event.
        """
        ends_at = self._monotonic() + _INVOCATION_SECONDS - _FILE_SECONDS
        row = self._row(wanted)
        if row is None:
            log.info("the recording has an alarm after all")
            return None
        waited = self._now() - since
        listed, fault = self._listed(wanted, waited)
        builder = EventBuilder(
            vendor="eye4",
            account=wanted.account,
            identity=["recording", wanted.recording],
            received_at=row.arrived_at or self._now(),
            payload=_payload(wanted, row, listed),
        )
        keys = {
            builder.key(Media.topic, _name(position, entry)): entry for position, entry in enumerate(listed[:_FILES])
        }
        files = self._files(wanted, row, keys, ends_at)
        # The picture is there at once; a resource message would announce the video.
        no_video_yet = (
            bool(files)
            and not wanted.cover
            and not row.arrived_at
            and all(file.role != "video" for file in files.values())
        )
        self._raise_if_worth_retrying(wanted, files, waited, no_video_yet=no_video_yet)
        outcomes = list(files.values())
        outcomes += [self._absent(entry, MediaFault.TOO_MANY) for entry in listed[_FILES:]]
        if self._now() - wanted.received_at >= self._patience.retention:
            outcomes = [_expired(file) for file in outcomes]
            kind = _kind(outcomes) or (MediaStatus.EXPIRED if fault is MediaFault.NOT_FOUND else MediaStatus.MISSING)
        else:
            kind = _kind(outcomes) or MediaStatus.MISSING
        if no_video_yet and kind is MediaStatus.AVAILABLE and all(file.role == "image" for file in outcomes):
            # A video may still exist: no message has ruled it out.
            kind = MediaStatus.PARTIAL
        try:
            self._report(wanted, row, _Report(wanted, builder, kind, fault, outcomes))
        except Changed:
            raise NotThereYet("a message came meanwhile") from None
        return kind

    def _row(self, wanted: Wanted) -> Row | None:
        """The recording's row; None for a resource message whose alarm has come meanwhile."""
        if wanted.alarm_id:
            return self._pending.taken(wanted.recording, wanted.alarm_id)
        rows = {key: self._pending.read(key) for key in dict.fromkeys((wanted.recording, *wanted.candidates))}
        if any(row.alarm_id or row.token for row in rows.values()):
            return None
        return rows[wanted.recording]

    def _report(self, wanted: Wanted, row: Row, report: _Report) -> None:
        """Records the event of a result that was not reported yet, or of one that adds to the last report.

        The report is noted in the row first: a message that comes later sees it there, and starts another flow.

        Raises:
            Changed: a message came meanwhile, or another attempt reported something else.
            Unavailable: it is not known whether the last report was published.
        """
        first = report.record()
        before = row.reported
        if before is None:
            self._pending.note_reported(wanted.recording, report.noted(first.id, row), row)
            self._admit(first, report)
            return
        more = report.adds_to(before)
        if before.event == first.id:
            admission = self._admit(first, report)
            if admission is Admission.SPILLED and more:
                raise Unavailable("it is not known whether the last report was published")
            if admission not in {Admission.DUPLICATE, Admission.SPILLED}:
                # The report had been noted and not published, so the present result is the first report.
                self._pending.note_reported(wanted.recording, report.noted(first.id, row), row)
                return
        if more:
            correction = report.record(corrects=before.event)
            self._admit(correction, report)
            self._pending.note_reported(wanted.recording, report.noted(correction.id, row), row)

    def _admit(self, record: Record, report: _Report) -> Admission:
        admission = self._recorder.admit(record)
        log.info("resolved", event_id=record.id, kind=report.kind, files=len(report.files), admission=admission)
        return admission

    def _listed(self, wanted: Wanted, waited: timedelta) -> tuple[list[Listed], MediaFault | None]:
        """The files that Eye4 lists, or the fault for which there are none."""
        if wanted.cover:
            return [Listed(url=wanted.cover, type=normalise.COVER)], None
        try:
            api = self._api(wanted.account)
        except LookupError:
            # The handler knew the account. It may be missing by mistake or renamed, and may come back.
            if self._is_early(wanted, waited, self._patience.before_unreachable):
                raise NotThereYet("no such account in the secret") from None
            api = None
        if api is None:
            return [], MediaFault.NO_CREDENTIALS
        # Only for doorbells the vendor's pages name the storage, so the other one is asked as well.
        storages = (Storage.DOORBELL, Storage.ALARM) if wanted.type == _DOORBELL else (Storage.ALARM, Storage.DOORBELL)
        try:
            for storage in storages:
                if listed := self._with_retries(partial(_list_files, api, wanted.fileid or "", storage), CallFailed):
                    return listed, None
        except CallFailed as error:
            log.warning("eye4 gave no list of files", error=str(error))
            if self._is_early(wanted, waited, self._patience.before_unreachable):
                raise
            return [], MediaFault.DENIED if isinstance(error, Denied) else MediaFault.UNREACHABLE
        if self._is_early(wanted, waited, self._patience.before_missing):
            raise NotThereYet("eye4 has no file of it")
        return [], MediaFault.NOT_FOUND

    def _files(self, wanted: Wanted, row: Row, listed: Mapping[str, Listed], ends_at: float) -> dict[str, File]:
        """Copies the files; returns the outcome of each, by its key, in the vendor's order.

        Raises:
            MoreToCopy: the time is up, and one file was never tried.
        """
        files: dict[str, File] = {}
        # Files that failed before come last, so that a slow file does not block the others for ever.
        for key in sorted(listed, key=row.failed.__contains__):
            copy = row.copies.get(key)
            if copy is not None:
                files[key] = self._available(listed[key], copy)
            elif self._monotonic() <= ends_at:
                files[key] = self._file(wanted, listed[key], key)
            elif key in row.failed:
                files[key] = self._absent(listed[key], MediaFault.TOO_SLOW)
            else:
                self._pending.count_attempt(wanted.recording, _failed(files))
                raise MoreToCopy(f"{len(files)} of {len(listed)} files were looked at")
        return {key: files[key] for key in listed}

    def _file(self, wanted: Wanted, entry: Listed, key: str) -> File:
        """Copies a file; returns the copy, or the fault.

        Each try writes an object of its own, with a random part in its key. Its digest is known only once it is stored,
        so it cannot be in the key; and an abandoned try may end after the next one. So no try overwrites another's
        object. An object without a reference stays under the same event's prefix for as long as that is kept.
        """
        content_type = _TYPES.get(key.rpartition(".")[2], _UNTYPED)

        def fetch() -> tuple[str, Body]:
            stem, _, suffix = key.rpartition(".")
            own = f"{stem}-{self._unique()}.{suffix}"
            with self._downloads.open(entry.url or "") as body:
                self._bucket.keep(own, body, content_type)
            if not body.size:
                raise Interrupted(MediaFault.NOT_FOUND)  # the file has a name already, and no content yet
            return own, body

        try:
            own, body = self._with_retries(partial(bounded, fetch, _FILE_SECONDS + _GRACE), Unreachable)
        except TimeoutError:
            log.warning("a file was not copied", key=key, fault=MediaFault.TOO_SLOW)
            return self._absent(entry, MediaFault.TOO_SLOW)
        except (Refused, Interrupted) as error:
            log.warning("a file was not copied", key=key, fault=error.fault)
            return self._absent(entry, error.fault)
        copy = Picture(
            role=_role(entry),
            bucket=self._bucket.name,
            key=own,
            content_type=content_type,
            size=body.size,
            sha256=body.sha256,
        )
        self._pending.copied(wanted.recording, key, copy)
        return self._available(entry, copy)

    def _available(self, entry: Listed, copy: Picture) -> File:
        return File(role=_role(entry), status=MediaStatus.AVAILABLE, copy=copy, link=self._link(entry))

    def _absent(self, entry: Listed, fault: MediaFault) -> File:
        # An address that we do not call ourselves is not published: a consumer that follows it may be in a private
        # network.
        link = None if fault in _REFUSED else self._link(entry)
        return File(role=_role(entry), status=MediaStatus.MISSING, reason=fault, link=link)

    def _link(self, entry: Listed) -> Link | None:
        return normalise.link(_role(entry), entry.url, self._downloads.own)

    def _is_early(self, wanted: Wanted, waited: timedelta, patience: timedelta, failed: Collection[str] = ()) -> bool:
        """Counts an attempt, and tells whether another one is due.

        The flow's own count cannot serve, since it includes invocations that never ran.
        """
        return self._pending.count_attempt(wanted.recording, failed) < _ATTEMPTS or waited < patience

    def _with_retries[T](self, call: Callable[[], T], hiccup: type[Exception]) -> T:
        """Calls, and tries again after an error that may pass within a second."""
        ends_at = self._monotonic() + _QUICK
        for pause in _PAUSES:
            try:
                return call()
            except hiccup:
                if self._monotonic() > ends_at:
                    raise
            self._sleep(pause)
        return call()

    def _raise_if_worth_retrying(
        self, wanted: Wanted, files: Mapping[str, File], waited: timedelta, *, no_video_yet: bool
    ) -> None:
        """Asks the flow for another attempt if that may bring more files.

        Raises:
            NotThereYet: it may, and there is still time.
        """
        faults = {file.reason for file in files.values()} & _PASSING
        # A copied file is reported without waiting long for another file whose host does not answer.
        silent = MediaFault.UNREACHABLE in faults and not any(file.copy_ for file in files.values())
        patience = self._patience.before_unreachable if silent else self._patience.before_missing
        if (faults or no_video_yet) and self._is_early(wanted, waited, patience, _failed(files)):
            raise NotThereYet("not all of it is there")


def _failed(files: Mapping[str, File]) -> list[str]:
    return [key for key, file in files.items() if file.reason in _PASSING]


def _list_files(api: Api, fileid: str, storage: Storage) -> list[Listed]:
    try:
        return bounded(partial(api.files, fileid, storage), _API_SECONDS)
    except TimeoutError:
        raise CallFailed("eye4: no answer in time") from None


def _name(position: int, entry: Listed) -> str:
    """The name of a file: numbered in the vendor's order, and the same although its link changes."""
    url = entry.url or ""
    try:
        path = urlsplit(url).path
    except ValueError:  # such an address is never fetched, but needs a name too
        path = url
    original = PurePosixPath(path).suffix.lower().removeprefix(".")
    suffix = original if original in _TYPES else _SUFFIXES.get(_role(entry), original)
    if not (suffix.isascii() and suffix.isalnum() and len(suffix) <= 4):
        suffix = "bin"
    return f"{position + 1:03}-{_role(entry)}-{sha256(path.encode()).hexdigest()[:12]}.{suffix}"


def _role(entry: Listed) -> str:
    return entry.kind if entry.kind in _ROLES else "file"


def _expired(file: File) -> File:
    gone = file.reason is MediaFault.NOT_FOUND
    return file.model_copy(update={"status": MediaStatus.EXPIRED}) if gone else file


def _kind(files: Sequence[File]) -> MediaStatus | None:
    """The status of a recording with these files; None without any."""
    statuses = {file.status for file in files}
    if MediaStatus.AVAILABLE in statuses:
        return MediaStatus.AVAILABLE if len(statuses) == 1 else MediaStatus.PARTIAL
    if len(statuses) > 1:
        return MediaStatus.MISSING
    return next(iter(statuses), None)


def _payload(wanted: Wanted, row: Row, listed: Sequence[Listed]) -> JsonValue:
    """The vendor's raw data: the resource message and the API's answer; for a cover, its address."""
    if wanted.cover:
        return {"cover": wanted.cover}
    return {"resource": row.resource, "files": [entry.model_dump(by_alias=True, exclude_none=True) for entry in listed]}


@dataclass(frozen=True, slots=True)
class _Report:
    """The result of a recording, for its event."""

    wanted: Wanted
    builder: EventBuilder
    kind: MediaStatus
    reason: MediaFault | None
    files: Sequence[File]

    @property
    def copies(self) -> tuple[str, ...]:
        """The copied files by content: independent of the vendor's names and order."""
        return tuple(sorted({(file.copy_.sha256 or "")[:16] for file in self.files if file.copy_}))

    def noted(self, event: str, row: Row) -> Reported:
        """The report as the row keeps it."""
        return Reported(
            event=event,
            kind=self.kind,
            copies=self.copies,
            alarm_id=self.wanted.alarm_id,
            messages=tuple(sorted(row.messages)),
            wanted=self.wanted.text,
        )

    def adds_to(self, before: Reported) -> bool:
        """Tells whether this report adds to an earlier one: a file, a better status, or the missing alarm."""
        better = _RANKS[self.kind] > _RANKS[before.kind] or not set(self.copies) <= set(before.copies)
        return better or before.alarm_id is None is not self.wanted.alarm_id

    def record(self, corrects: str | None = None) -> Record:
        """The record of the event, shortened in two steps if it is larger than SNS accepts.

        The first step leaves out the payload, which only repeats other fields. The second leaves out the links, and all
        but one of the files beyond the limit.

        Args:
            corrects: the id of the event that this one corrects. The content of a correction is part of its own id.
        """
        common = self.builder.common(device=self.wanted.device, occurred_at=self.wanted.occurred_at)
        also = (corrects, self.kind, self.wanted.alarm_id or "", *self.copies) if corrects else ()

        def record(common: Common, files: Sequence[File]) -> Record:
            media = Media(
                **common,
                kind=self.kind,
                reason=self.reason,
                alarm_id=self.wanted.alarm_id,
                recording_id=self.wanted.fileid,
                files=tuple(files),
                corrects=corrects,
            )
            return Record.of(self.builder.event(media, *also))

        whole = record(common, self.files)
        if whole.size <= MAX_EVENT_BYTES:
            return whole
        common["payload"] = None
        lean = record(common, self.files)
        if lean.size <= MAX_EVENT_BYTES:
            return lean
        return record(common, [file.model_copy(update={"link": None}) for file in self.files[: _FILES + 1]])


def handle(event: Mapping[str, Any], resolver: Resolver) -> dict[str, Any]:
    """Resolves the recording that the flow names.

    Args:
        event: `alarm`, the flow's input, and `since`, the time at which the flow entered this state.
        resolver: resolves it.
    """
    if failed := _failure(event["alarm"].get("wait")):
        log.error("the wait for the resource message failed", error=failed)
    wanted = Wanted.model_validate(event["alarm"])
    return {"status": resolver.resolve(wanted, datetime.fromisoformat(event["since"])) or _TAKEN}


def _failure(wait: Mapping[str, Any] | None) -> str | None:
    """The error that ended the wait; None if it timed out, or the message had come before."""
    error = str(wait.get("Error", "")) if wait else ""
    return None if error == "States.Timeout" or error.endswith("ConditionalCheckFailedException") else error or None


def _transfer_client() -> S3Client:
    """The client of S3 for whole files."""
    return cast("S3Client", aws.session().create_client("s3", config=_PATIENT))


def _resolver() -> Resolver:
    settings = ResolveSettings.read(os.environ)
    secret = Secret(aws.client("secretsmanager"), settings.secret_arn, wire.Accounts, vendor="eye4")

    def api(name: str) -> Client | None:
        logins = {account.account: account.api for account in secret.accounts().accounts}
        if name not in logins and (newer := secret.newer()):
            logins = {account.account: account.api for account in newer.accounts}
        login = logins[name]
        return Client(login, settings.api_url) if login else None

    return Resolver(
        api=api,
        downloads=Downloads(
            settings.download_hosts.split(","),
            Limits(size=settings.file_limit * 1_000_000, seconds=_FILE_SECONDS),
            own=settings.api_url,
        ),
        pending=PendingFiles(lambda: aws.client("dynamodb"), settings.pending_files_table, lambda: datetime.now(UTC)),
        bucket=MediaFiles(_transfer_client(), settings.media_bucket),
        recorder=edge.gate(settings),
        patience=Patience(
            before_missing=timedelta(seconds=settings.patience),
            before_unreachable=timedelta(seconds=settings.give_up),
            retention=timedelta(days=settings.keeps_days),
        ),
    )


lambda_handler = edge.triggered(_resolver, handle)
