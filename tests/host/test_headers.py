"""Headers and facts over the channel: asked for, answered or refused, never in a trait."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import nbannot as nb
from formats_making import write_slice
from nbannot.host.channel import Channel
from nbannot.host.messages import image_json
from nbannot.model.document import Document
from nbannot.model.image import Image

Message = tuple[dict[str, Any], list[bytes]]


@pytest.fixture
def image(tmp_path: Path) -> Image:
    found = nb.read(write_slice(tmp_path / "a.dcm", PatientName="Doe^Jane", PatientID="4711"))
    assert isinstance(found, Image)
    return found


def ask(document: Document, key: str, *, headers: bool = True) -> Message:
    messages: list[Message] = []
    channel = Channel(document, lambda content, buffers: messages.append((content, buffers)), headers=headers)
    channel.receive({"type": "get", "tab": "T", "rid": 7, "keys": [key], "urgent": True})
    deadline = time.monotonic() + 20
    while not messages:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    channel.close()
    return messages[0]


def test_a_header_is_answered_as_rows(image: Image) -> None:
    content, [data] = ask(Document(image), f"header/{image.id}/0/0")
    assert (content["type"], content["tab"], content["rid"], content["codec"]) == ("bytes", "T", 7, "raw")
    assert content["shape"] == [len(data)]
    rows = json.loads(data)
    assert [0, "(0010,0010)", "Patient's Name", "PN", "Doe^Jane"] in rows
    assert "Doe" not in json.dumps(content)


def test_a_reader_gets_none(image: Image) -> None:
    content, buffers = ask(Document(image), f"header/{image.id}/0/0", headers=False)
    assert content["type"] == "bytes_error" and buffers == []
    assert content["error"]["kind"] == "HeaderRefusedError"
    assert "not shown" in content["error"]["message"] and "Doe" not in json.dumps(content)


@pytest.mark.parametrize(("headers", "told"), [(True, False), (False, True), (False, False), (True, True)])
def test_viewer_and_configuration_must_both_allow_them(image: Image, headers: bool, told: bool) -> None:
    viewer = nb.Viewer(image, headers=headers, config={"headers": told})
    messages: list[Message] = []
    viewer._channel._send = lambda content, buffers: messages.append((content, buffers))  # type: ignore[union-attr]
    viewer._receive(
        viewer, {"type": "get", "tab": "T", "rid": 7, "keys": [f"header/{image.id}/0/0"], "urgent": True}, []
    )
    deadline = time.monotonic() + 20
    while not messages:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    viewer.close()
    assert messages[0][0]["type"] == ("bytes" if headers and told else "bytes_error")


def test_facts_are_for_everybody(image: Image) -> None:
    content, [data] = ask(Document(image), f"info/{image.id}", headers=False)
    assert content["type"] == "bytes"
    assert ["Modality", "CT"] in json.loads(data)
    assert b"Doe" not in data and b"4711" not in data


@pytest.mark.parametrize("key", ["header/other/0/0", "header/{id}/0/9", "info/other"])
def test_what_does_not_exist_is_an_error(image: Image, key: str) -> None:
    content, _ = ask(Document(image), key.format(id=image.id))
    assert (content["type"], content["error"]["kind"]) == ("bytes_error", "UnknownItemError")


def test_the_state_names_nobody(image: Image) -> None:
    image.series_description = "Jane's chest"
    told = json.dumps(image_json(image, image.windows))
    assert not any(word in told for word in ("Doe", "Jane", "4711", image.series_uid or "?"))
