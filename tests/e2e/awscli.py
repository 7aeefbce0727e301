"""The AWS CLI, as far as the README's commands need it: each is an operation of botocore, and its options.

The CLI itself pins another botocore than ours. botocore refuses an operation or an option that there is not, and so
does this.
https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-commandstructure.html
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import botocore.session
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name

_RENAMED: Final = {("sns", "subscribe", "--notification-endpoint"): "--endpoint"}
"""Options that the CLI calls otherwise: https://github.com/aws/aws-cli/blob/develop/awscli/customizations/argrename.py"""


def main(words: list[str]) -> int:
    """`aws SERVICE OPERATION --option value …`."""
    service, operation, *rest = words
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    client = botocore.session.get_session().create_client(service, region_name=region)
    query, output = options.pop("--query", None), options.pop("--output", "json")
    (name,) = [one for one in client.meta.method_to_api_mapping if one == operation.replace("-", "_")]
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[name]).input_shape
    shapes: Any = shape.members if shape else {}
    members = {f"--{xform_name(member, '-')}": member for member in shapes}
    names = {option: members[_RENAMED.get((service, operation, option), option)] for option in options}
    call = {names[option]: _value(text, shapes[names[option]]) for option, text in options.items()}
    answer: Any = getattr(client, name)(**call)
    answer.pop("ResponseMetadata", None)
    found = jmespath.search(query, answer) if query else answer
    if output == "text":
        sys.stdout.write(("\t".join(map(str, found)) if isinstance(found, list) else str(found)) + "\n")
    elif found:
        sys.stdout.write(json.dumps(found, default=str) + "\n")
    return 0


def _value(text: str, shape: Any) -> Any:
    if text.startswith("file://"):
        text = Path(text.removeprefix("file://")).read_text()
    if shape.type_name == "map":
        return dict(pair.split("=", 1) for pair in text.split(","))
    if shape.type_name == "list":
        return [text]
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
