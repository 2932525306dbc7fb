"""The rules of VolView's two formats as JSON Schema, put down anew from its published description.

Annotations: backend-contract/generated/annotations-file.schema.json of Kitware/VolView, and the two rules that its
comment adds. Sessions: what its loader asks of a manifest of version 6.4.0; keys it does not know are allowed.
"""

from __future__ import annotations

from typing import Any

import jsonschema

Schema = dict[str, Any]
KINDS = ("rulers", "rectangles", "polygons")
NUMBER, TEXT, WHOLE = {"type": "number"}, {"type": "string"}, {"type": "integer"}
POINT = {"type": "array", "items": NUMBER, "minItems": 3, "maxItems": 3}
NAMES = {"pattern": "^(?!__proto__$)"}


def record(required: Schema, optional: Schema | None = None, *, strict: bool = False) -> Schema:
    """Return the schema of an object with these members."""
    more = {"additionalProperties": False} if strict else {}
    return {
        "type": "object", "properties": {**required, **(optional or {})}, "required": list(required), **more,
    }  # fmt: skip


def by_name(value: Schema) -> Schema:
    return {"type": "object", "propertyNames": NAMES, "additionalProperties": value}


def many(value: Schema) -> Schema:
    return {"type": "array", "items": value}


PLANE = {"planeNormal": POINT, "planeOrigin": POINT}
PLACES: dict[str, Schema] = {
    "rulers": {"firstPoint": POINT, "secondPoint": POINT},
    "rectangles": {"firstPoint": POINT, "secondPoint": POINT},
    "polygons": {"points": {**many(POINT), "minItems": 3}},
}


def _annotations() -> Schema:
    style = record({}, {"color": TEXT, "strokeWidth": NUMBER, "fillColor": TEXT}, strict=True)
    more = {"slice": NUMBER, "frame": {**WHOLE, "minimum": 0}, "labelName": TEXT, "name": TEXT,
            "metadata": by_name(TEXT)}  # fmt: skip
    plane = record(PLANE, strict=True)
    tools = {
        kind: many(record({**places, "frameOfReference": plane}, more, strict=True))
        for kind, places in PLACES.items()
    }
    labels = record({}, {kind: by_name(style) for kind in KINDS}, strict=True)
    return record(
        {"schemaVersion": {"const": 1}, "space": {"const": "LPS"}, "tools": record({}, tools, strict=True)},
        {"labels": labels},
    )


def _session() -> Schema:
    color = {**many({**WHOLE, "minimum": 0, "maximum": 255}), "minItems": 4, "maxItems": 4}
    segment = record({"value": WHOLE, "name": TEXT, "color": color}, {"visible": {"type": "boolean"}})
    segments = record({"order": many(WHOLE), "byValue": by_name(segment)})
    group = record(
        {"id": TEXT, "metadata": record({"name": TEXT, "parentImage": TEXT}, {"segments": segments})},
        {"path": TEXT, "dataSourceId": WHOLE},
    )
    group["anyOf"] = [{"required": ["path"]}, {"required": ["dataSourceId"]}]
    sources = [
        record(
            {"id": WHOLE, "type": {"const": "file"}, "fileId": WHOLE, "fileType": TEXT}, {"parent": WHOLE}
        ),
        record({"id": WHOLE, "type": {"const": "uri"}, "uri": TEXT}, {"name": TEXT, "mime": TEXT}),
        record({"id": WHOLE, "type": {"const": "archive"}, "path": TEXT, "parent": WHOLE}),
        record({"id": WHOLE, "type": {"const": "collection"}, "sources": many(WHOLE)}, {"parent": WHOLE}),
    ]
    label = record({}, {"labelName": TEXT, "color": TEXT, "strokeWidth": NUMBER, "fillColor": TEXT})
    own = {"imageID": TEXT, "frameOfReference": record(PLANE), "slice": NUMBER}
    more = {"frame": NUMBER, "id": TEXT, "name": TEXT, "color": TEXT, "strokeWidth": NUMBER, "label": TEXT,
            "labelName": TEXT, "metadata": by_name(TEXT)}  # fmt: skip
    tools = {
        kind: record({"tools": many(record({**own, **places}, more)), "labels": by_name(label)})
        for kind, places in PLACES.items()
    }
    return record(
        {"version": TEXT, "dataSources": many({"oneOf": sources})},
        {
            "datasets": many(record({"id": TEXT, "dataSourceId": WHOLE})),
            "datasetFilePath": by_name(TEXT),
            "segmentGroups": many(group),
            "tools": record({}, tools),
        },
    )


ANNOTATIONS, SESSION = _annotations(), _session()


def check(content: Any, schema: Schema) -> None:
    """Refuse what breaks the rules, those between members included.

    Raises
    ------
    jsonschema.ValidationError
        When it does.
    """
    jsonschema.Draft202012Validator(schema).validate(content)
    for kind in KINDS if schema is ANNOTATIONS else ():
        declared = content.get("labels", {}).get(kind, {})
        for tool in content["tools"].get(kind, ()):
            if not any(tool["frameOfReference"]["planeNormal"]):
                raise jsonschema.ValidationError("a plane without a normal")
            if tool.get("labelName") and tool["labelName"] not in declared:
                raise jsonschema.ValidationError("a label that is not declared")
