"""Accounting for a lab cluster: a MariaDB of its own and a slurmdbd, so that sacct knows every job."""

from __future__ import annotations

import pwd
import secrets
import shutil
import signal
from typing import TYPE_CHECKING

from tests.lab.ledger import LabUnavailable
from tests.lab.ports import listening
from tests.lab.slurm_conf import slurmdbd_conf
from tests.lab.waiting import until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.lab.ledger import Ledger
    from tests.lab.releases import Installation
    from tests.lab.slurm_conf import Host, Layout, Ports

ACCOUNT = "lab"
_START_LIMIT = 90.0


def start(ledger: Ledger, installation: Installation, layout: Layout, ports: Ports, host: Host) -> None:
    """Start both daemons and wait until they listen."""
    password = secrets.token_hex(16)
    _database(ledger, ports.database, password)
    conf = layout.etc / "slurmdbd.conf"
    conf.touch(0o600)
    conf.write_text(slurmdbd_conf(layout, ports, host, password))
    daemon = ledger.start(
        installation.argv("slurmdbd", "-D"),
        log="slurmdbd.out",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_CONF": str(layout.conf)},
        stop=signal.SIGKILL,
    )
    _listening(ledger, ports.dbd, "slurmdbd", daemon, "slurmdbd.out")


def _database(ledger: Ledger, port: int, password: str) -> None:
    """MariaDB from this machine's packages, on a folder, a socket and a port of its own."""
    for program in ("mariadbd", "mariadb-install-db"):
        if shutil.which(program) is None:
            raise LabUnavailable(
                f"{program} is not installed (package mariadb-server-core or mariadb-server)"
            )
    folder = ledger.folder / "database"
    user = _user()
    passing = folder / "tmp"  # not /tmp: servers that start side by side remove each other's tables there
    passing.mkdir(parents=True)
    shutil.chown(folder, user)
    shutil.chown(passing, user)
    common = ("--no-defaults", f"--user={user}", f"--datadir={folder / 'data'}", f"--tmpdir={passing}")
    quick = ("--auth-root-authentication-method=normal", "--skip-test-db")
    ledger.run("mariadb-install-db", *common, *quick)  # makes the data's folder
    first = folder / "first.sql"
    first.write_text(
        "CREATE DATABASE slurm_acct_db;\n"
        f"CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';\n"
    )
    shutil.chown(first, user)
    daemon = ledger.start(
        [
            *("mariadbd", *common, f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"),
            *("--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve", f"--init-file={first}"),
            *("--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-use-native-aio=0"),
        ],
        log="mariadb.out",
        stop=signal.SIGKILL,
    )
    _listening(ledger, port, "mariadbd", daemon, "mariadb.out")


def _user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in names else "root"


def _listening(
    ledger: Ledger, port: int, what: str, daemon: subprocess.Popen[bytes], log: str | Path
) -> None:
    def answers() -> bool:
        ledger.check(daemon, what, str(log))
        return listening(port)

    until(answers, f"{what} to listen", timeout=_START_LIMIT, evidence=lambda: ledger.tail(str(log)))
