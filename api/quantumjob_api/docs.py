"""The REST page of the docs, from OpenAPI: `python -m quantumjob_api.docs > docs/rest.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from quantumjob_api.app import create
from quantumjob_api.problems import TYPES
from quantumjob_api.routes import openapi as documented

JSON = dict[str, Any]

HEAD = """# REST

<!-- Generated from OpenAPI by `python -m quantumjob_api.docs`; do not edit. -->

{description}

The service serves this description, with examples, at `/openapi.json`.
How to reach it, and the first three calls: [README](../README.md#by-rest).
"""
METHODS = ("get", "post", "put", "delete")


def page() -> str:
    """The whole page."""
    schema = openapi()
    parts = [HEAD.format(description=schema["info"]["description"]), *operations(schema), errors(), *shapes(schema)]
    return "\n".join(parts)


def openapi() -> JSON:
    """As the running service gives it. Nothing is opened for it."""

    async def closed() -> Any:
        raise RuntimeError

    return create(closed).openapi()


def operations(schema: JSON) -> Iterator[str]:
    tag = ""
    for path, methods in schema["paths"].items():
        for method in (each for each in METHODS if each in methods):
            operation = methods[method]
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield f"## {tag.capitalize()}\n"
            yield section(path, method, operation)


def section(path: str, method: str, operation: JSON) -> str:
    lines = [
        f"### {operation['summary']}",
        "",
        f"`{method.upper()} {path}`",
        "",
        paragraph(operation["description"]),
        "",
    ]
    if told := [each for each in operation.get("parameters", ()) if each["name"] not in {"namespace", "name", "uid"}]:
        lines += ["| parameter | in | what |", "|---|---|---|"]
        lines += [f"| `{each['name']}` | {each['in']} | {each.get('description', '')}{bounds(each)} |" for each in told]
        lines.append("")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        lines += [f"Body: `{kind}`{shape(content['schema'])}.", ""]
        for example in content.get("examples", {}).values():
            lines += ["```json", json.dumps(example["value"], indent=2), "```", ""]
    lines += ["| status | what |", "|---|---|"]
    lines += [f"| {status} | {answer(found)} |" for status, found in sorted(operation["responses"].items())]
    return "\n".join([*lines, ""])


def answer(found: JSON) -> str:
    content = found.get("content", {}).get("application/json", {})
    headers = ", ".join(f"`{name}`" for name in found.get("headers", {}))
    return str(found["description"]) + shape(content.get("schema", {})) + (f" Headers: {headers}." if headers else "")


def shape(schema: JSON) -> str:
    names = [each["$ref"].rpartition("/")[2] for each in (schema, *schema.get("anyOf", ())) if "$ref" in each]
    return (" " + " or ".join(f"[{name}](#{name.lower()})" for name in names)) if names else ""


def bounds(parameter: JSON) -> str:
    """The default, and how much is taken at most."""
    schema = parameter["schema"]
    parts = [schema, *schema.get("anyOf", ())]
    told = [f" Default: `{json.dumps(schema['default'])}`."] if schema.get("default") is not None else []
    told += [f" At most {each['maximum']}." for each in parts if "maximum" in each]
    told += [f" Up to {each['maxLength']} characters." for each in parts if "maxLength" in each]
    return "".join(told)


def errors() -> str:
    rows = [f"| {status} | `{reason}` |" for reason, status, _ in documented.reasons()]
    head = (
        "## Errors\n\n`application/problem+json`: `type`, `title`, `status`, `reason` and `detail`. "
        f"`type` is `{TYPES}` and the reason.\n\n| status | reason |\n|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def shapes(schema: JSON) -> Iterator[str]:
    yield "## Shapes\n"
    for name, found in sorted(schema["components"]["schemas"].items()):
        if "properties" in found:
            required = set(found.get("required", ()))
            rows = [
                f"| `{field}` | {kind(each)} | {'yes' if field in required else ''} | {each.get('description', '')} |"
                for field, each in found["properties"].items()
            ]
            told = paragraph(found.get("description", ""))
            yield (
                f"### {name}\n\n{told}\n\n| field | type | required | what |\n|---|---|---|---|\n"
                + "\n".join(rows)
                + "\n"
            )


def kind(found: JSON) -> str:
    if "$ref" in found:
        return shape(found).strip()
    if "anyOf" in found:
        return " or ".join(kind(each) for each in found["anyOf"])
    if found.get("type") == "array":
        return f"list of {kind(found['items'])}"
    return str(found.get("type", "any"))


def paragraph(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(page())
