"""Every row of the matrix holds, and the matrix in the docs is the one that holds."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

from formats_matrix import ROWS, Row, table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "formats.md"
BEGIN, END = "<!-- matrix: made by tests/formats/test_matrix.py -->\n\n", "\n\n<!-- end of matrix -->"

for module in sorted((ROOT / "tests").glob("matrix_*.py")):
    import_module(module.stem)


@pytest.mark.parametrize("one", ROWS, ids=lambda one: f"{one.reader}-{one.file}")
def test_the_row_holds(one: Row, shared_data: Path, tmp_path: Path) -> None:
    one.check(shared_data / one.file, tmp_path)


def test_the_docs_show_the_matrix() -> None:
    """NBANNOT_WRITE_DOCS=1 writes it."""
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    made = table(ROWS)
    if os.environ.get("NBANNOT_WRITE_DOCS"):
        DOCS.write_text(f"{before}{BEGIN}{made}{END}{after}", encoding="utf-8")
        return
    assert shown == made, "NBANNOT_WRITE_DOCS=1 pytest tests/formats/test_matrix.py writes the table anew"
