"""docs/xid.md, replayed."""

import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli.calls import REPOSITORY, plain_environ
from tests.docs import DOCS
from tests.docs.console import replay


def test_the_page_about_xids() -> None:
    programs = shlex.quote(str(Path(sys.executable).parent))

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", f"export PATH={programs}:$PATH; {command}"],
            capture_output=True, text=True, check=False, cwd=REPOSITORY, env=plain_environ(),
        )  # fmt: skip

    assert replay(DOCS / "xid.md", run) >= 6
