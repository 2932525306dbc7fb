"""The `nbannot` command: parse, call, print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from nbannot.demo.project import build_demo
from nbannot.demo.serve import serve
from nbannot.errors import NbannotError
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
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
