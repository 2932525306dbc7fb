"""The `nbannot` command: parse, call, print."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nbannot.demo.project import build_demo
from nbannot.demo.serve import serve
from nbannot.errors import NbannotError, need
from nbannot.formats import scan
from nbannot.viewer.doctor import doctor


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process by default); return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (NbannotError, FileExistsError) as error:
        print(f"nbannot: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nbannot", description="Medical image annotation in Jupyter.")
    parser.add_argument("--version", action="version", version=f"nbannot {version('nbannot')}")
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="open JupyterLab on a ready demo project")
    demo.add_argument(
        "--port", type=int, default=8888, help="port on the loopback interface; 0 takes a free one"
    )
    demo.add_argument("--folder", type=Path, default=Path("demo-project"), help="where the demo is kept")
    demo.add_argument("--no-browser", action="store_true", help="only print the URL")
    demo.add_argument("--build-only", action="store_true", help="make the folder and stop")
    demo.set_defaults(run=_demo)
    check = commands.add_parser("doctor", help="check that the viewer can work here")
    check.set_defaults(run=_doctor)
    look = commands.add_parser("scan", help="list the series and images in a folder, file or archive")
    look.add_argument("path", type=Path, help="what to look through; only headers are read")
    look.set_defaults(run=_scan)
    _add_serve(commands)
    return parser


def _add_serve(commands: Any) -> None:
    command = commands.add_parser("serve", help="serve projects through a JupyterHub (docs/hub.md)")
    many = {"action": "append", "default": [], "metavar": "NAME=URL"}
    command.add_argument("--project", **many, help="a folder, postgresql://…, or env:VARIABLE; repeatable")
    command.add_argument("--files", **many, help="where a project in PostgreSQL keeps its files")
    command.add_argument("--index-from", **many, help="a path or URL that owners may index; repeatable")
    command.add_argument("--owner", default="", help="owner of projects that have no members yet")
    command.add_argument("--database", default="", help="URL of the database of logins, or env:VARIABLE")
    command.add_argument("--host", default="", help="address to listen on; 127.0.0.1, or what the Hub says")
    command.add_argument("--port", type=int, help="port to listen on; 9210, or what the Hub says")
    command.add_argument("--workers", type=int, default=1, help="number of processes")
    command.add_argument("--public-url", default="", help="https://… as browsers see the Hub")
    command.add_argument("--trust-proxy", default="127.0.0.1", help="address or network of the proxy")
    command.add_argument("--grace", type=float, default=60.0, help="s to go on while the Hub is away")
    command.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    command.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    service = need("nbannot.hub.serve", extra="hub")
    host, port = service.listening(os.environ) or ("127.0.0.1", 9210)
    given = {"database": options.database} if options.database else {}
    settings = service.Settings(
        service.pairs(options.project, "project"), service.pairs(options.files, "files"), owner=options.owner,
        host=options.host or host, port=port if options.port is None else options.port,
        workers=options.workers, public_url=options.public_url, trust_proxy=options.trust_proxy,
        grace=options.grace, log_level=options.log_level,
        index_from=service.groups(options.index_from, "index-from"), **given,
    )  # fmt: skip
    status: int = service.run(settings)
    return status


def _demo(options: argparse.Namespace) -> int:
    def say(text: str) -> None:
        print(text, flush=True)

    notebook = build_demo(options.folder, say=say)
    if options.build_only:
        say(str(notebook))
        return 0
    return serve(notebook, port=options.port, browser=not options.no_browser, say=say)


def _doctor(options: argparse.Namespace) -> int:
    print(doctor())
    return 0


def _scan(options: argparse.Namespace) -> int:
    """Print what is there, without the columns and file names that could say who the patients are."""
    table = scan(options.path, progress=_told if sys.stderr.isatty() else None)
    studies = {uid: n for n, uid in enumerate(dict.fromkeys(table["study"]), 1)}
    shown = table.drop(columns=["patient", "study_date", "series", "path", "size"]).astype(object)
    shown["study"] = [studies[uid] if uid else "" for uid in table["study"]]
    shown["description"] = [
        "" if alone else text
        for alone, text in zip(table["format"] != "DICOM", table["description"], strict=True)
    ]
    shown["problems"] = [
        "; ".join(part.rpartition(": ")[0] or part for part in text.split("; ")) for text in table["problems"]
    ]
    shown["spacing"] = [
        "" if one is None else " × ".join(f"{step:.4g}" for step in one) for one in shown["spacing"]
    ]
    shown = shown.where(shown.notna(), "")
    empty = [
        name for name in shown if name not in ("kind", "files") and (shown[name].astype(str) == "").all()
    ]
    print(shown.drop(columns=empty).to_string(index=False, na_rep="", max_colwidth=40))
    print(f"{len(table)} rows, {table['files'].sum()} files, {table['size'].sum() / 1e6:.1f} MB")
    return 0


def _told(done: float, text: str) -> None:
    print(f"\r\033[K{text} ({done:.0%})", end="\n" if done >= 1 else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
