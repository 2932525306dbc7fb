"""Codes from DICOM's dictionaries for the form of labels, looked for in a thread: reading them takes a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from threading import BoundedSemaphore, Thread
from typing import Any

from nbannot.errors import EditError
from nbannot.formats.codes import code_groups, find_codes
from nbannot.host.messages import Json, error_json

MOST = 200
"""Codes in one answer."""

_THREADS = BoundedSemaphore(4)


def ask_codes(tab: str, content: Mapping[str, Any], post: Callable[[Json], None]) -> None:
    """Answer a ``codes`` message of a tab: ``{words, cid, rid}``; neither words nor group: groups only."""

    def work() -> None:
        try:
            _answer(tab, content, post)
        finally:
            _THREADS.release()

    # Who asks faster than is answered waits for the answer.
    if _THREADS.acquire(blocking=False):
        Thread(target=work, name="nbannot-codes", daemon=True).start()
    else:
        _answer(tab, content, post)


def _answer(tab: str, content: Mapping[str, Any], post: Callable[[Json], None]) -> None:
    words, cid = str(content.get("words") or "").strip(), content.get("cid")
    answer: Json = {
        "type": "codes",
        "tab": tab,
        "rid": int(content["rid"]),
        "groups": [],
        "codes": [],
        "error": None,
    }
    try:
        answer["groups"] = [{"cid": number, "name": name} for number, name in code_groups()]
        if words or cid is not None:
            found = find_codes(words, cid=None if cid is None else int(cid), limit=MOST)
            answer["codes"] = [asdict(one) for one in found]
    except EditError as error:
        answer["error"] = error_json(error)
    post(answer)
