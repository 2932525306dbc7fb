"""The OpenAPI document of the REST part, made of the endpoints themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from nbannot.hub.api import REQUIRED, Endpoint, Field
from nbannot.store.wire import FRAME

_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"}, "int": {"type": "integer"}, "number": {"type": "number"},
    "bool": {"type": "boolean"}, "texts": {"type": "array", "items": {"type": "string"}},
    "list": {"type": "array"}, "names": {"type": ["string", "array"]},
    "object": {"type": "object"}, "any": {},
}  # fmt: skip
_MEDIA = {
    "json": "application/json",
    "frame": FRAME,
    "file": "application/octet-stream",
    "pieces": "application/octet-stream",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["kind", "message", "hint"],
            "properties": {name: {"type": "string"} for name in ("kind", "message", "hint")},
        }
    },
}
_FAILURES = {
    "400": "The request cannot be read", "401": "Nobody is logged in",
    "403": "Refused, with the reason; written to the audit log",
    "404": "Not there, or somebody else's; written to the audit log",
    "409": "Somebody else wrote in the meantime", "413": "Too large", "422": "Not valid",
    "423": "Submitted: takes no more edits", "429": "Too many requests", "503": "The Hub does not answer",
}  # fmt: skip


def document(endpoints: Sequence[Endpoint], prefix: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service at ``prefix``."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(_plain(endpoint.path), {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nbannot", "version": version("nbannot"),
            "description": "A frame is the length of its header (u32, little endian), the header as JSON "
            '(`{"message": …, "sizes": […]}`) and the buffers one after another.',
        },
        "servers": [{"url": f"{prefix}api/v1"}],
        "security": [{"token": []}, {"login": []}],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "responses": {
                status: {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in _FAILURES.items()
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of the Hub"},
                "login": {"type": "apiKey", "in": "cookie", "name": "nbannot-login"},
            },
        },
    }  # fmt: skip


def _plain(path: str) -> str:
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _SCHEMAS["int" if kind == ":int" else "text"],
        }
        for name, kind in re.findall(r"\{(\w+)(:\w+)?\}", endpoint.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": field.default is REQUIRED, "schema": _schema(field)}
        for name, field in endpoint.query.items()
    ]
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{_plain(endpoint.path)}").rstrip("_"),
        "parameters": parameters,
        "responses": {
            "200": {"description": "Done", "content": {_MEDIA[endpoint.gives]: {}}},
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _FAILURES},
        },
    }
    if endpoint.takes != "json" or endpoint.body:
        schema = {} if endpoint.takes != "json" else {"schema": _object(endpoint)}
        operation["requestBody"] = {"required": True, "content": {_MEDIA[endpoint.takes]: schema}}
    return operation


def _object(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in endpoint.body.items() if field.default is REQUIRED],
        "properties": {name: _schema(field) for name, field in endpoint.body.items()},
    }


def _schema(field: Field) -> dict[str, Any]:
    schema = dict(_SCHEMAS[field.kind])
    if field.kind == "text":
        schema["maxLength"] = field.most
    if field.default is not REQUIRED and field.default is not None:
        schema["default"] = field.default
    return schema
