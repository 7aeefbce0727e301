"""Resolves a recording: has its files copied into the media bucket, and says what came of it in a `media` event."""

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
from functions.eye4.pending import Changed, PendingFiles, Row, Told
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
"""How long one file may take."""
_GRACE: Final = 30.0
"""Seconds besides, for S3 to put it together."""
_API_SECONDS: Final = 45.0
"""How long an answer of Eye4's API may take."""
_INVOCATION_SECONDS: Final = 780.0
"""How long one invocation goes on, below the function's Timeout of 900 s."""
_ATTEMPTS: Final = 4
"""Attempts that it takes to believe anything bad: on a busy day the time alone is soon over."""
_PAUSES: Final = (0.3, 1.0)
"""Seconds between the tries of a call within an attempt: a hiccup is not worth an attempt of the flow."""
_QUICK: Final = 10.0
"""Seconds after which a call is not tried again within the attempt."""
_FILES: Final = 100
"""Files of a recording that are copied; an event has to fit through SNS."""
_PART: Final = 8 * 1024 * 1024
"""Bytes; no more than a few of these of a file are in memory at once."""
# S3 takes its time to put the parts of a file together, and only a flow waits for it.
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
"""By a file's kind, where its name does not tell: the forms of the vendor's own example. For films that is a guess."""
_TAKEN: Final = "taken"
"""The end of a flow for a resource message whose alarm came: that one's flow tells of the recording."""
_UNTYPED: Final = "application/octet-stream"
_RANKS: Final = {
    MediaStatus.MISSING: 0,
    MediaStatus.EXPIRED: 0,
    MediaStatus.PARTIAL: 1,
    MediaStatus.AVAILABLE: 2,
}
"""How good news is: worse is not told after better."""
_PASSING: Final = frozenset({MediaFault.NOT_FOUND, MediaFault.UNREACHABLE, MediaFault.TOO_SLOW})
"""What another attempt, with a new link, may mend."""
_REFUSED: Final = frozenset({MediaFault.HOST_NOT_ALLOWED, MediaFault.PRIVATE_ADDRESS})
"""Where we do not go ourselves."""


class NotThereYet(GatehouseError):
    """Eye4 does not have the recording, which is not believed so soon. The flow's Retry knows this name."""


class MoreToCopy(GatehouseError):
    """There was no time for all the files; the next attempt goes on. The flow's Retry knows this name."""


class ResolveSettings(VendorSettings):
    """Settings of this function."""

    pending_files_table: str = Field(min_length=1)
    api_url: str = Field(default="", pattern=r"^(https?://[^/?#@]+(/[^?#]*)?)?$")
    """In place of the vendor's own, which the credentials tell."""
    download_hosts: str = Field(default=DEFAULT, min_length=1)
    """Names, or `*.` and a name; joined by commas."""
    file_limit: int = Field(default=1024, ge=1, le=10_240)
    """MB."""
    patience: float = Field(default=600, ge=0, le=86_400)
    """Seconds for which "there is nothing" is not believed, from the end of the wait on."""
    give_up: float = Field(default=86_400, ge=0, le=86_400)
    """Seconds for which a vendor that does not answer is asked again, from the end of the wait on."""
    keeps_days: int = Field(default=30, ge=1, le=3650)
    """Days for which Eye4 keeps a file."""


class Api(Protocol):
    """What the resolver asks of Eye4."""

    def files(self, fileid: str, storage: Storage) -> list[Listed]:
        """The files of a recording. Raises `CallFailed`."""


class Recorder(Protocol):
    """The port to the gate, for the resolver."""

    def admit(self, record: Record) -> Admission:
        """Records and publishes an event. Raises `NotKept`."""


class Bucket(Protocol):
    """Where the copies go."""

    @property
    def name(self) -> str:
        """Of the bucket."""

    def keep(self, key: str, body: Body, content_type: str) -> None:
        """Stores a file as it comes in. Raises what reading it raises, and `Unavailable`."""


class MediaFiles:
    """The media bucket, for whole files: in parts, so that no file is ever in memory."""

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
        """Stores a file as it comes in; of one that breaks off nothing is left.

        Raises:
            Refused: see `Body`.
            Interrupted: see `Body`.
            Unavailable: S3 did not take it.
        """
        with aws.calling("upload"), TransferManager(self._client, self._config) as transfers:
            transfers.upload(cast("IO[bytes]", body), self.name, key, extra_args={"ContentType": content_type}).result()


@dataclass(frozen=True, slots=True)
class Patience:
    """Times for which the resolver waits for something better, from the end of the flow's wait on."""

    before_missing: timedelta
    """Time for which an empty answer counts as "not yet"."""
    before_unreachable: timedelta
    """Time for which a vendor that does not answer is asked again, while there is no copy of anything yet."""
    retention: timedelta
    """Time for which Eye4 keeps a file, from the alarm on."""


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
        """A resolver.

        Args:
            api: Eye4's API for an account, None where we have no credentials for it; raises `LookupError` where
                there is no such account.
            downloads: what may be fetched.
            pending: the recordings' rows.
            bucket: where the copies go.
            recorder: of the event.
            patience: how long it waits for something better.
            now: a clock.
            monotonic: a clock for spans.
            sleep: waits, in seconds.
            unique: a word that no other try has.
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
        """Copies what there is of a recording, and says so in a `media` event: once, however often it is called, and
        once more where there is more than was said.

        Args:
            wanted: the recording.
            since: when the waits for its resource message and its alarm ended.

        Returns:
            what it said; None where it is for the alarm's own flow to say.

        Raises:
            NotThereYet: there is nothing, or not everything, and it is too early to believe that.
            MoreToCopy: the time of the invocation is up.
            CallFailed: Eye4 does not answer, and it is too early to give up.
            Unavailable: AWS did not take a call.
            NotKept: the event was taken neither by the table nor by the spill queue.
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
        # The picture is there at once, the film is what the message would have been about.
        no_video_yet = (
            bool(files)
            and not wanted.cover
            and not row.arrived_at
            and all(file.role != "video" for file in files.values())
        )
        self._raise_if_worth_retrying(wanted, files, waited, no_video_yet=no_video_yet)
        said = list(files.values())
        said += [self._absent(entry, MediaFault.TOO_MANY) for entry in listed[_FILES:]]
        if self._now() - wanted.received_at >= self._patience.retention:
            said = [_expired(file) for file in said]
            kind = _kind(said) or (MediaStatus.EXPIRED if fault is MediaFault.NOT_FOUND else MediaStatus.MISSING)
        else:
            kind = _kind(said) or MediaStatus.MISSING
        if no_video_yet and kind is MediaStatus.AVAILABLE and all(file.role == "image" for file in said):
            # Nobody said that there is no film.
            kind = MediaStatus.PARTIAL
        try:
            self._tell(wanted, row, _Telling(wanted, builder, kind, fault, said))
        except Changed:
            raise NotThereYet("a message came meanwhile") from None
        return kind

    def _row(self, wanted: Wanted) -> Row | None:
        """The recording's row; None where there is no alarm in the question and one in a row."""
        if wanted.alarm_id:
            return self._pending.taken(wanted.recording, wanted.alarm_id)
        rows = {key: self._pending.read(key) for key in dict.fromkeys((wanted.recording, *wanted.candidates))}
        if any(row.alarm_id or row.token for row in rows.values()):
            return None
        return rows[wanted.recording]

    def _tell(self, wanted: Wanted, row: Row, telling: _Telling) -> None:
        """Records what there is, where it was not said yet, or is more than was said.

        That it will be said is noted first: once it is, a message that comes later has another look taken.

        Raises:
            Changed: a message came meanwhile, or another attempt said something else.
            Unavailable: it is not known what was said.
        """
        first = telling.record()
        before = row.told
        if before is None:
            self._pending.tell(wanted.recording, telling.told(first.id, row), row)
            self._admitted(first, telling)
            return
        more = telling.adds_to(before)
        if before.event == first.id:
            admission = self._admitted(first, telling)
            if admission is Admission.SPILLED and more:
                raise Unavailable("the table does not tell whether something was said before")
            if admission not in {Admission.DUPLICATE, Admission.SPILLED}:
                # It had been noted and not been said: what is said is what there is now.
                self._pending.tell(wanted.recording, telling.told(first.id, row), row)
                return
        if more:
            correction = telling.record(corrects=before.event)
            self._admitted(correction, telling)
            self._pending.tell(wanted.recording, telling.told(correction.id, row), row)

    def _admitted(self, record: Record, telling: _Telling) -> Admission:
        admission = self._recorder.admit(record)
        log.info("resolved", event_id=record.id, kind=telling.kind, files=len(telling.files), admission=admission)
        return admission

    def _listed(self, wanted: Wanted, waited: timedelta) -> tuple[list[Listed], MediaFault | None]:
        """The files that Eye4 has, or why there are none."""
        if wanted.cover:
            return [Listed(url=wanted.cover, type=normalise.COVER)], None
        try:
            api = self._api(wanted.account)
        except LookupError:
            # The handler knew it: it is taken out by mistake, or renamed, and somebody may put it back.
            if self._is_early(wanted, waited, self._patience.before_unreachable):
                raise NotThereYet("no such account in the secret") from None
            api = None
        if api is None:
            return [], MediaFault.NO_CREDENTIALS
        # Nothing says which storage a type of device uses, but for the doorbells; the other one is asked as well.
        storages = (Storage.DOORBELL, Storage.ALARM) if wanted.type == _DOORBELL else (Storage.ALARM, Storage.DOORBELL)
        try:
            for storage in storages:
                if listed := self._with_retries(partial(_asked, api, wanted.fileid or "", storage), CallFailed):
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
        """What becomes of each file, by its key, in the vendor's order.

        Raises:
            MoreToCopy: the time is up, and one was never tried.
        """
        files: dict[str, File] = {}
        # What failed before comes last: a slow file does not keep the others from us for ever.
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
        """Copies a file; where that cannot be, says why.

        Each try writes an object of its own. What it holds is known only when it is there, so its digest cannot be in
        its name; and a try that is left to itself may end after the next one has. Nothing is written over, then, and
        what nobody refers to lies beside it, below the same event, for as long as that is kept.
        """
        content_type = _TYPES.get(key.rpartition(".")[2], _UNTYPED)

        def fetch() -> tuple[str, Body]:
            stem, _, suffix = key.rpartition(".")
            own = f"{stem}-{self._unique()}.{suffix}"
            with self._downloads.open(entry.url or "") as body:
                self._bucket.keep(own, body, content_type)
            if not body.size:
                raise Interrupted(MediaFault.NOT_FOUND)  # a name without a file yet
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
        # Where we do not go ourselves nobody is sent: whoever follows it may sit in a network of its own.
        link = None if fault in _REFUSED else self._link(entry)
        return File(role=_role(entry), status=MediaStatus.MISSING, reason=fault, link=link)

    def _link(self, entry: Listed) -> Link | None:
        return normalise.link(_role(entry), entry.url, self._downloads.own)

    def _is_early(self, wanted: Wanted, waited: timedelta, patience: timedelta, failed: Collection[str] = ()) -> bool:
        """Whether another attempt may still bring something better. The flow's own count has in it what never ran."""
        return self._pending.count_attempt(wanted.recording, failed) < _ATTEMPTS or waited < patience

    def _with_retries[T](self, call: Callable[[], T], hiccup: type[Exception]) -> T:
        """What a call returns, tried again after an error that may pass at once."""
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
        """Another attempt, where one may bring more.

        Raises:
            NotThereYet: it may, and it is not too late for it.
        """
        faults = {file.reason for file in files.values()} & _PASSING
        # Where something is ours already, nobody is to wait for it because another file's host is away.
        silent = MediaFault.UNREACHABLE in faults and not any(file.copy_ for file in files.values())
        patience = self._patience.before_unreachable if silent else self._patience.before_missing
        if (faults or no_video_yet) and self._is_early(wanted, waited, patience, _failed(files)):
            raise NotThereYet("not all of it is there")


def _failed(files: Mapping[str, File]) -> list[str]:
    return [key for key, file in files.items() if file.reason in _PASSING]


def _asked(api: Api, fileid: str, storage: Storage) -> list[Listed]:
    try:
        return bounded(partial(api.files, fileid, storage), _API_SECONDS)
    except TimeoutError:
        raise CallFailed("eye4: no answer in time") from None


def _name(position: int, entry: Listed) -> str:
    """The name of a file: in the vendor's order, and the same for each of the links that it has in its time."""
    url = entry.url or ""
    try:
        path = urlsplit(url).path
    except ValueError:  # which is no address that is fetched, and has a name all the same
        path = url
    told = PurePosixPath(path).suffix.lower().removeprefix(".")
    suffix = told if told in _TYPES else _SUFFIXES.get(_role(entry), told)
    if not (suffix.isascii() and suffix.isalnum() and len(suffix) <= 4):
        suffix = "bin"
    return f"{position + 1:03}-{_role(entry)}-{sha256(path.encode()).hexdigest()[:12]}.{suffix}"


def _role(entry: Listed) -> str:
    return entry.kind if entry.kind in _ROLES else "file"


def _expired(file: File) -> File:
    gone = file.reason is MediaFault.NOT_FOUND
    return file.model_copy(update={"status": MediaStatus.EXPIRED}) if gone else file


def _kind(files: Sequence[File]) -> MediaStatus | None:
    """What is to be said of a recording with these files; None if there are none."""
    found = {file.status for file in files}
    if MediaStatus.AVAILABLE in found:
        return MediaStatus.AVAILABLE if len(found) == 1 else MediaStatus.PARTIAL
    if len(found) > 1:
        return MediaStatus.MISSING
    return next(iter(found), None)


def _payload(wanted: Wanted, row: Row, listed: Sequence[Listed]) -> JsonValue:
    """The vendor's own words: the resource message, and what the API answered; of a cover, its address."""
    if wanted.cover:
        return {"cover": wanted.cover}
    return {"resource": row.resource, "files": [entry.model_dump(by_alias=True, exclude_none=True) for entry in listed]}


@dataclass(frozen=True, slots=True)
class _Telling:
    """What is to be said of a recording."""

    wanted: Wanted
    builder: EventBuilder
    kind: MediaStatus
    reason: MediaFault | None
    files: Sequence[File]

    @property
    def copies(self) -> tuple[str, ...]:
        """What was copied, whatever the vendor calls it and wherever it stands in its list."""
        return tuple(sorted({(file.copy_.sha256 or "")[:16] for file in self.files if file.copy_}))

    def told(self, event: str, row: Row) -> Told:
        """What the row says of it."""
        return Told(
            event=event,
            kind=self.kind,
            copies=self.copies,
            alarm_id=self.wanted.alarm_id,
            messages=tuple(sorted(row.messages)),
            wanted=self.wanted.text,
        )

    def adds_to(self, before: Told) -> bool:
        """Whether it is more than was said before: a file, a better end, or the alarm that was not there."""
        better = _RANKS[self.kind] > _RANKS[before.kind] or not set(self.copies) <= set(before.copies)
        return better or before.alarm_id is None is not self.wanted.alarm_id

    def record(self, corrects: str | None = None) -> Record:
        """The record of the event; where it is larger than SNS takes, without what the event says twice, and then
        without links and with one only of the files that were too many.

        Args:
            corrects: the id of the event that was right before. A correction is told from others by what it says.
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
        event: `alarm`, the flow's input, and `since`, when it came to this state.
        resolver: does it.
    """
    if failed := _failure(event["alarm"].get("wait")):
        log.error("the wait for the resource message failed", error=failed)
    wanted = Wanted.model_validate(event["alarm"])
    return {"status": resolver.resolve(wanted, datetime.fromisoformat(event["since"])) or _TAKEN}


def _failure(wait: Mapping[str, Any] | None) -> str | None:
    """The error with which the wait ended, if that was not its time being up or the message having come before."""
    error = str(wait.get("Error", "")) if wait else ""
    return None if error == "States.Timeout" or error.endswith("ConditionalCheckFailedException") else error or None


def _transfer_client() -> S3Client:
    """The client of S3 for whole files."""
    return cast("S3Client", aws.session().create_client("s3", config=_PATIENT))


def _resolver() -> Resolver:
    settings = ResolveSettings.read(os.environ)
    secret = Secret(aws.client("secretsmanager"), settings.secret_arn, wire.Accounts, vendor="eye4")

    def api(name: str) -> Client | None:
        known = {account.account: account.api for account in secret.accounts().accounts}
        if name not in known and (newer := secret.newer()):
            known = {account.account: account.api for account in newer.accounts}
        login = known[name]
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
