"""Builds `aami-xid.pyz`: grammar, guide and catalogue in one file that any Python from 3.6 on runs.

`python -m aami_hpc.xid.pyz FILE`. The same sources give the same bytes.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

import aami_xid
from aami_hpc.xid import catalog

_FIRST_LINE = b"#!/usr/bin/env python3\n"
_MAIN = "import sys\n\nfrom aami_xid.guide.tool import main\n\nsys.exit(main())\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip archive can tell


def build() -> bytes:
    """The whole archive."""
    content = io.BytesIO()
    content.write(_FIRST_LINE)
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(_members().items()):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    return content.getvalue()


def _members() -> dict[str, bytes]:
    package = Path(aami_xid.__file__).parent
    found = {
        f"aami_xid/{path.relative_to(package)}": path.read_bytes()
        for path in package.rglob("*")
        if path.suffix in {".py", ".json"}
    }
    return {**found, "__main__.py": _MAIN.encode(), "aami_xid/data/catalog.json": catalogue()}


def catalogue() -> bytes:
    """Every entry by kind and code."""
    entries = {
        kind: {str(entry.code): entry.as_dict() for entry in catalog.everything(kind)}
        for kind in catalog.KINDS
    }
    return json.dumps(entries, separators=(",", ":")).encode()


def main() -> None:
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build())
    path.chmod(0o755)
    print(path)


if __name__ == "__main__":
    main()
