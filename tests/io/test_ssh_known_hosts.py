"""Known hosts: the lines of ssh, its own tool as the judge, and a file that only ever grows by whole lines."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import asyncssh
import pytest

from aami_hpc.errors import PermissionRefused, SshHostKey, StorageFault
from aami_hpc.io.ssh.known_hosts import read_known_hosts, read_revoked, remember
from aami_hpc.io.ssh.plan import Plan

KEYS = [asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _ in range(3)]


def public(number: int) -> str:
    return KEYS[number].export_public_key().decode().strip()


def host(name: str = "gpu-001", address: str = "10.0.0.1", port: int = 22, **more: object) -> Plan:
    return Plan(name, name, address, port, "root", **more)  # type: ignore[arg-type]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "known_hosts"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "names",
    [
        "gpu-001",
        "other,GPU-001",
        "gpu-*",
        "gpu-???,!gpu-002",
        "10.0.0.1",
        "gpu-001.example.org,10.0.0.*",
    ],
)
def test_names_addresses_and_patterns(tmp_path: Path, names: str) -> None:
    known = read_known_hosts([written(tmp_path, f"{names} {public(0)} a comment")])
    assert known.trust(host()).keys == (KEYS[0],)
    assert known.trust(host()).known
    assert known.trust(host("head", "192.0.2.1")).keys == ()


def test_hashed_lines_of_ssh_keygen(tmp_path: Path) -> None:
    path = written(tmp_path, f"gpu-001 {public(0)}", f"[gpu-001]:2222 {public(1)}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "gpu-001" not in path.read_text()
    known = read_known_hosts([path])
    assert known.trust(host()).keys == (KEYS[0],)
    assert known.trust(host(port=2222)).keys == (KEYS[1],)


def test_what_is_known_under_the_name_outweighs_the_address(tmp_path: Path) -> None:
    known = read_known_hosts([written(tmp_path, f"10.0.0.1 {public(1)}", f"gpu-001 {public(0)}")])
    assert known.trust(host()).keys == (KEYS[0],)
    assert known.trust(host("gpu-002")).keys == (KEYS[1],)


def test_another_port_is_another_host_but_a_key_without_port_is_good(tmp_path: Path) -> None:
    known = read_known_hosts([written(tmp_path, f"gpu-001 {public(0)}")])
    found = known.trust(host(port=2222))
    assert found.keys == (KEYS[0],)
    assert not found.known  # so another key is unknown, not changed


def test_an_alias_stands_for_name_and_address(tmp_path: Path) -> None:
    known = read_known_hosts([written(tmp_path, f"gpu-001 {public(0)}", f"rack {public(1)}")])
    assert known.trust(host(alias="rack")).keys == (KEYS[1],)


def test_authorities_and_revoked_keys(tmp_path: Path) -> None:
    known = read_known_hosts(
        [
            written(
                tmp_path,
                f"@cert-authority gpu-* {public(0)}",
                f"@revoked * {public(1)}",
                f"@revoked 10.0.0.1 {public(2)}",
            )
        ]
    )
    found = known.trust(host())
    assert (found.keys, found.authorities, found.known) == ((), (KEYS[0],), False)
    assert set(found.revoked) == {KEYS[1], KEYS[2]}


def test_lines_that_can_not_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    path = written(
        tmp_path, "# mine", "", "rubbish", f"@wrong gpu-001 {public(1)}", "|2|a|b x", f"gpu-001 {public(0)}"
    )
    known = read_known_hosts([path, tmp_path / "missing"])
    assert known.trust(host()).keys == (KEYS[0],)
    assert known.remarks == [f"{path}:{n}: not a line of known_hosts: left out" for n in (3, 4, 5)]


def test_a_key_type_the_library_lacks_still_means_that_the_host_is_known(tmp_path: Path) -> None:
    known = read_known_hosts([written(tmp_path, "gpu-001 ssh-future AAAA")])
    assert known.trust(host()).known
    assert known.trust(host()).keys == ()


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("port", [22, 2222])
def test_ssh_itself_finds_what_we_have_written(tmp_path: Path, port: int, hashed: bool) -> None:  # noqa: FBT001
    path = tmp_path / "new" / "known_hosts"
    assert remember(path, [(host(port=port, hashed=hashed), KEYS[0])]) == []
    assert path.stat().st_mode & 0o777 == 0o600
    assert ("gpu-001" in path.read_text()) is not hashed
    for name in ("gpu-001", "10.0.0.1"):
        shown = name if port == 22 else f"[{name}]:{port}"
        done = subprocess.run(
            ["ssh-keygen", "-F", shown, "-f", path], capture_output=True, text=True, check=True
        )
        assert public(0).split()[1] in done.stdout


def test_a_file_without_a_last_newline_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"head {public(1)}")
    remember(path, [(host(), KEYS[0])])
    assert path.read_text() == f"head {public(1)}\ngpu-001,10.0.0.1 {public(0)}\n"


def test_a_host_that_became_known_meanwhile_is_not_touched(tmp_path: Path) -> None:
    path = written(tmp_path, f"gpu-001 {public(1)}")
    before = path.read_text()
    assert remember(path, [(host(), KEYS[0])]) == ["gpu-001"]
    assert path.read_text() == before


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    names = [f"gpu-{number:03}" for number in range(40)]

    def write(name: str) -> None:
        remember(path, [(host(name, name), KEYS[0])])

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line.split()[0] for line in path.read_text().splitlines()) == names


def test_a_file_we_may_not_write_is_said(tmp_path: Path) -> None:
    with pytest.raises((StorageFault, PermissionRefused)):
        remember(Path("/proc/nowhere/known_hosts"), [(host(), KEYS[0])])


def test_revoked_keys_in_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "revoked"
    path.write_text(f"# old\n{public(0)}\n")
    assert read_revoked(path) == (KEYS[0],)
    path.write_bytes(b"SSHKRL\n\0" + os.urandom(20))
    with pytest.raises(SshHostKey, match="key revocation list"):
        read_revoked(path)
