"""CloudFormation's transforms before the emulator, which has none: so that `sam deploy` itself can be tried on it.

Whatever is asked of it is handed on as it is, but for a template with SAM's transform: that is translated here, by the
translator that AWS publishes, and what the emulator does not read is written out for it (ops/translate.py).
"""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import urllib3

from ops import translate

_SAM: Final = "AWS::Serverless-2016-10-31"
_EXTENSIONS: Final = "AWS::LanguageExtensions"
_WITH_TEMPLATE: Final = frozenset({"CreateChangeSet", "CreateStack", "UpdateStack"})
_NOT_HANDED_ON: Final = frozenset({"host", "connection", "expect", "content-length", "transfer-encoding"})


class Transforms:
    """The emulator, as `sam deploy` wants it.

    Args:
        endpoint: where the emulator is.
        region: the region whose account it plays.
        api_id: of the API that is deployed; the emulator would invent one.
    """

    def __init__(self, endpoint: str, region: str, api_id: str) -> None:
        self._endpoint = endpoint
        self._region = region
        self._api_id = api_id
        self._http = urllib3.PoolManager(retries=False, timeout=120, maxsize=20)

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serves on a free port of 127.0.0.1 until the block ends; yields its address."""
        transforms = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _hand_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_HANDED_ON}
                answer = transforms.answer(self.command, self.path, headers, body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in _NOT_HANDED_ON | {"date", "server"}:
                        self.send_header(name, value)
                # What answers HEAD has the length of what it does not send.
                length = answer.headers.get("content-length", "0") if self.command == "HEAD" else str(len(answer.data))
                self.send_header("content-length", length)
                self.end_headers()
                self.wfile.write(answer.data)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _hand_on  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> urllib3.BaseHTTPResponse:
        """What the emulator answers."""
        if method == "POST" and body.startswith(b"Action="):
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            if form["Action"] in _WITH_TEMPLATE and ("TemplateURL" in form or "TemplateBody" in form):
                body = urlencode(self._translated(form)).encode()
        return self._http.request(
            method, self._endpoint + path, body=body, headers=dict(headers), decode_content=False, redirect=False
        )

    def _translated(self, form: Mapping[str, str]) -> dict[str, str]:
        """The same call with plain CloudFormation in it."""
        place = urlsplit(form["TemplateURL"]).path if "TemplateURL" in form else ""
        text = self._object(place) if place else form["TemplateBody"]
        template = translate.parsed(text)
        transforms = template.get("Transform", [])
        if _SAM not in ([transforms] if isinstance(transforms, str) else transforms):
            return dict(form)
        if _EXTENSIONS in transforms:
            template = translate.with_values(template, self._values(form, template))
        for resource in template["Resources"].values():
            if resource["Type"] == translate.STATE_MACHINE:
                properties = resource["Properties"]
                properties["DefinitionUri"] = self._as_json(properties["DefinitionUri"])
        as_on_aws = translate.translated(template, {}, self._region)
        plain = json.dumps(translate.for_emulator(as_on_aws, self._api_id, {}))
        if not place:
            return {**form, "TemplateBody": plain}
        self._put(f"{place}.plain", plain)
        return {**form, "TemplateURL": f"{self._endpoint}{place}.plain"}

    def _values(self, form: Mapping[str, str], template: translate.Template) -> dict[str, str]:
        """The values of the parameters: those of the call, those of the stack, and the defaults."""
        values = {
            name: str(parameter["Default"])
            for name, parameter in template["Parameters"].items()
            if "Default" in parameter
        }
        before: dict[str, str] | None = None
        for key, name in form.items():
            if not (key.startswith("Parameters.member.") and key.endswith(".ParameterKey")):
                continue
            member = key.removesuffix("ParameterKey")
            if form.get(f"{member}UsePreviousValue") == "true":
                before = self._parameters(form["StackName"]) if before is None else before
                values |= {name: before[name]} if name in before else {}
            else:
                values[name] = form[f"{member}ParameterValue"]
        return values

    def _parameters(self, stack: str) -> dict[str, str]:
        """The values that a stack has."""
        found = self._client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}

    def _as_json(self, definition: str | Mapping[str, str]) -> str:
        """The address of a definition in JSON, in place of one in YAML."""
        address = definition if isinstance(definition, str) else f"s3://{definition['Bucket']}/{definition['Key']}"
        bucket, _, key = address.removeprefix("s3://").partition("?")[0].partition("/")
        self._put(f"/{bucket}/{key}.json", translate.as_json(self._object(f"/{bucket}/{key}")))
        return f"s3://{bucket}/{key}.json"

    def _object(self, place: str) -> str:
        bucket, _, key = place.removeprefix("/").partition("/")
        body: bytes = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode()

    def _put(self, place: str, text: str) -> None:
        bucket, _, key = place.removeprefix("/").partition("/")
        self._client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    def _client(self, service: Any) -> Any:
        import boto3  # noqa: PLC0415 - half a second

        return boto3.client(
            service,
            region_name=self._region,
            endpoint_url=self._endpoint,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the emulator takes any
        )
