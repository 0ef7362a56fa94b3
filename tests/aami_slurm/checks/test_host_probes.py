"""What the probes of a node's host read: from trees of files, from this machine, from file systems that broke."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm.places import Places
from aami_slurm.probes import clock_sync, disks, infiniband, mounts, pci, services
from tests.lab import faults
from tests.lab.require import lab

if TYPE_CHECKING:
    from tests.lab.ledger import Ledger
    from tests.lab.nodes import NodeLab

TABLE = r"""22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:40 /data /my\040data\012two\134 rw,nosuid shared:7 master:2 - nfs4 srv:/data rw,vers=4.2,addr=192.0.2.1
41 22 0:41 / /scratch rw - autofs systemd-1 rw,fd=50
42 41 0:42 / /scratch ro - nfs srv:/s ro
broken line
43 22 0:43 / /x rw
"""


def _tree(root: Path, **files: str) -> Places:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Places(str(root))


def _with_table(root: Path, text: str, fstab: str | None = None) -> Places:
    files = {"proc/self/mountinfo": text, **({} if fstab is None else {"etc/fstab": fstab})}
    return _tree(root, **files)


def test_the_mount_table_knows_paths_with_blanks_and_line_ends(tmp_path: Path) -> None:
    table = mounts.table(_with_table(tmp_path, TABLE))
    assert sorted(table) == ["/", "/my data\ntwo\\", "/proc", "/scratch"]
    assert table["/my data\ntwo\\"] == {
        "type": "nfs4",
        "options": ["rw", "nosuid"],
        "super": ["rw", "vers=4.2", "addr=192.0.2.1"],
    }


def test_of_mounts_on_one_path_the_last_one_counts(tmp_path: Path) -> None:
    assert mounts.table(_with_table(tmp_path, TABLE))["/scratch"]["type"] == "nfs"


def test_the_table_of_this_machine_is_read() -> None:
    table = mounts.table(Places())
    assert "/" in table
    assert {"proc"} == {row["type"] for path, row in table.items() if path == "/proc"}


def test_no_table_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    with pytest.raises(FileNotFoundError):
        mounts.table(Places(str(tmp_path)))


def test_a_path_lies_on_the_nearest_mount() -> None:
    table: dict[str, dict[str, Any]] = {"/": {}, "/var": {}, "/var/lib": {}}
    assert [mounts.of(table, path) for path in ("/var/lib/x", "/var/log", "/tmp", "/")] == [
        "/var/lib", "/var", "/", "/",
    ]  # fmt: skip
    assert mounts.of({}, "/tmp") is None


def test_a_mount_answers_or_says_why_not(tmp_path: Path) -> None:
    assert mounts.read({"path": str(tmp_path)}) == {"stat": "ok"}
    assert mounts.read({"path": str(tmp_path / "none")}) == {"stat": "error: No such file or directory"}


def test_disks_of_this_machine_have_numbers() -> None:
    told = disks.read({"paths": ["/"]})["/"]
    assert 0 < told["free"] < told["total"]
    assert told["mount"] == "/"
    assert json.loads(json.dumps(told)) == told


def test_a_path_that_is_not_there_says_so_and_hides_no_other(tmp_path: Path) -> None:
    told = disks.read({"root": str(tmp_path), "paths": ["/", "/none"]})
    assert told["/none"] == {"error": "No such file or directory"}
    assert told["/"]["total"] > 0


def test_without_a_mount_table_the_numbers_are_still_told(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    told = disks.read({"root": str(tmp_path)})
    assert sorted(told) == ["/", "/tmp", "/var"]
    assert (told["/"]["mount"], told["/"]["read_only"]) == (None, False)


@pytest.mark.parametrize(
    ("row", "wanted", "why"),
    [
        ({"type": "ext4", "options": ["rw"], "super": ["ro"]}, None, "kernel"),
        ({"type": "ext4", "options": ["rw"], "super": ["rw", "emergency_ro"]}, True, "kernel"),
        ({"type": "ext4", "options": ["ro"], "super": ["ro"]}, True, "fstab"),
        ({"type": "ext4", "options": ["ro"], "super": ["ro"]}, False, "mounted"),
        ({"type": "nfs4", "options": ["ro"], "super": ["ro"]}, None, "mounted"),
        ({"type": "squashfs", "options": ["rw"], "super": ["ro"]}, True, "mounted"),
        ({"type": "overlay", "options": ["rw"], "super": ["ro", "lowerdir=/a:/b"]}, None, "mounted"),
        (
            {"type": "overlay", "options": ["rw"], "super": ["ro", "lowerdir=/a", "upperdir=/u"]},
            None,
            "kernel",
        ),
        ({}, True, None),
    ],
)
def test_why_a_file_system_is_read_only(row: dict[str, Any], wanted: bool | None, why: str | None) -> None:  # noqa: FBT001
    assert disks._why(row, wanted) == why


def test_fstab_tells_what_is_to_be_writable(tmp_path: Path) -> None:
    text = "# comment\nUUID=1 / ext4 errors=remount-ro 0 1\nx /a\\040b xfs ro,noatime 0 0\nshort line\n\n"
    assert disks._fstab(_with_table(tmp_path, "", text)) == {"/": True, "/a b": False}
    assert disks._fstab(Places(str(tmp_path / "none"))) == {}


@pytest.mark.lab
def test_a_file_system_that_the_kernel_stopped_writing_to_is_told_from_one_mounted_so(
    lab_ledger: Ledger,
) -> None:
    """A real ext4, a real error in it."""
    with contextlib.ExitStack() as stack:
        with lab():
            path = stack.enter_context(faults.frozen_file_system(lab_ledger, frozen=False)).path
        ask = {"paths": [str(path)]}
        assert disks.read(ask)[str(path)]["read_only"] is False
        lab_ledger.run("mount", "-o", "remount,ro", path)
        assert disks.read(ask)[str(path)]["why_read_only"] == "mounted"
        lab_ledger.run("mount", "-o", "remount,rw,errors=remount-ro", path)
        assert disks.read(ask)[str(path)]["why_read_only"] is None
        device = next(
            line.split(" - ")[1].split()[1]
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if f" {path} " in line
        )
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("aami test")
        told = disks.read(ask)[str(path)]
        assert (told["read_only"], told["why_read_only"], told["mount"]) == (True, "kernel", str(path))


def _units(root: Path) -> None:
    lib, etc = root / "usr/lib/systemd/system", root / "etc/systemd/system"
    wants, running = etc / "multi-user.target.wants", root / "run/systemd/units"
    for folder in (lib, etc, wants, running, root / "run/systemd/system"):
        folder.mkdir(parents=True, exist_ok=True)
    for unit in ("munge", "slurmd", "dead", "off", "dbus-broker", "slurmd@"):
        (lib / f"{unit}.service").write_text("[Service]\n")
    for unit in ("munge", "dead"):
        (wants / f"{unit}.service").symlink_to(f"/usr/lib/systemd/system/{unit}.service")
    (etc / "dbus.service").symlink_to("/usr/lib/systemd/system/dbus-broker.service")
    (etc / "masked.service").symlink_to("/dev/null")
    for unit in ("munge.service", "dbus-broker.service", "slurmd@two.service"):
        (running / f"invocation:{unit}").symlink_to("0123456789abcdef")


def test_units_run_or_not_by_the_links_that_systemd_keeps(tmp_path: Path) -> None:
    _units(tmp_path)
    units = ["munge", "slurmd", "dead", "none", "masked", "dbus", "slurmd@two", "slurmd@one", "other@one"]
    told = services.read({"root": str(tmp_path), "units": [f"{unit}.service" for unit in units]})
    assert {
        unit: (told[f"{unit}.service"]["active"], told[f"{unit}.service"]["enabled"]) for unit in units
    } == {
        "munge": ("active", True),
        "slurmd": ("inactive", False),
        "dead": ("inactive", True),
        "none": ("not-found", False),
        "masked": ("masked", False),
        "dbus": ("active", False),
        "slurmd@two": ("active", False),
        "slurmd@one": ("inactive", False),
        "other@one": ("not-found", False),
    }


def test_without_a_systemd_nothing_is_said_of_units(tmp_path: Path) -> None:
    with pytest.raises(services.NoSystemd):
        services.read({"root": str(tmp_path), "units": ["munge.service"]})
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    with pytest.raises(services.NoSystemd, match="older than 236"):
        services.read({"root": str(tmp_path), "units": ["munge.service"]})


def test_a_unit_is_a_name_and_no_path(tmp_path: Path) -> None:
    _units(tmp_path)
    for unit in ("../../etc/passwd", ""):
        with pytest.raises(ValueError, match="no name of a unit"):
            services.read({"root": str(tmp_path), "units": [unit]})


def _look_on(node: Any, unit: str) -> str:
    """Run the probe's own file on a node."""
    source = Path(services.__file__).read_text()
    package = Path(services.__file__).resolve().parents[1]
    node.write("/tmp/aami_slurm/__init__.py", "")
    node.write("/tmp/aami_slurm/probes/__init__.py", "")
    node.write("/tmp/aami_slurm/places.py", (package / "places.py").read_text())
    node.write("/tmp/aami_slurm/probes/services.py", source)
    code = f"from aami_slurm.probes import services as s; print(s.read({{'units': ['{unit}']}})['{unit}']['active'])"
    return str(node.run(f'cd /tmp && PYTHONPATH=/tmp python3 -B -c "{code}"')).strip()


@pytest.mark.lab
def test_a_real_systemd_keeps_and_removes_these_links(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu001"]
    unit = "aami-looked-at.service"
    node.write(
        f"/etc/systemd/system/{unit}",
        "[Service]\nExecStart=/bin/sleep 600\n[Install]\nWantedBy=multi-user.target\n",
    )
    try:
        node.run(f"systemctl daemon-reload && systemctl start {unit}")
        assert _look_on(node, unit) == "active"
        node.run(f"systemctl kill -s KILL {unit}; while systemctl is-active -q {unit}; do sleep 0.05; done")
        assert node.run(f"systemctl is-failed {unit}").strip() == "failed"
        assert _look_on(node, unit) == "inactive"
        node.run(f"systemctl reset-failed {unit}; systemctl start {unit}; systemctl stop {unit}")
        assert _look_on(node, unit) == "inactive"
        assert _look_on(node, "ssh.service") == "active"
    finally:
        node.run(
            f"systemctl stop {unit}; rm -rf /tmp/aami_slurm /etc/systemd/system/{unit}; systemctl daemon-reload"
        )


def test_the_kernels_clock_is_asked_and_answers() -> None:
    told = clock_sync.read({})
    assert isinstance(told["synced"], bool)
    assert abs(told["offset_s"]) < 1
    assert told["max_error_s"] >= 0


def test_ports_are_read_as_sysfs_shows_them(tmp_path: Path) -> None:
    values = {"state": "4: ACTIVE\n", "phys_state": "5: LinkUp\n", "rate": "400 Gb/sec (4X NDR)\n"}
    for port in ("mlx5_0/ports/1", "mlx5_1/ports/1", "mlx5_1/ports/2"):
        _tree(tmp_path / "sys/class/infiniband" / port, **values, link_layer="InfiniBand\n")
    (tmp_path / "sys/class/infiniband/mlx5_1/ports/2/rate").unlink()
    told = infiniband.read({"root": str(tmp_path), "ports": []})
    assert [(row["device"], row["port"], row["state"], row["rate"]) for row in told] == [
        ("mlx5_0", "1", "4: ACTIVE", "400 Gb/sec (4X NDR)"),
        ("mlx5_1", "1", "4: ACTIVE", "400 Gb/sec (4X NDR)"),
        ("mlx5_1", "2", "4: ACTIVE", None),
    ]


def test_a_node_without_such_cards_has_no_ports(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    assert infiniband.read({"root": str(tmp_path)}) == []


def _pci(root: Path, **devices: bytes) -> Places:
    for name, config in devices.items():
        folder = root / "sys/bus/pci/devices" / name.replace("_", ":")
        folder.mkdir(parents=True)
        (folder / "config").write_bytes(config)
    return Places(str(root))


def test_the_config_of_a_device_tells_whether_it_answers(tmp_path: Path) -> None:
    well, gone = bytes.fromhex("de103023") + bytes(252), b"\xff" * 256
    places = _pci(
        tmp_path,
        **{"0000_1b_00.0": well, "0000_c3_00.0": gone, "10000_01_00.0": well, "0000_02_00.0": b"\xde"},
    )
    told = pci.read_all(places, ["0000:1B:00", "0000:c3:00", "10000:01:00.0", "0000:02:00", "0000:99:00"])
    assert {bus_id: pci.is_there(row) for bus_id, row in told.items()} == {
        "0000:1B:00": True, "0000:c3:00": False, "10000:01:00.0": True, "0000:02:00": False, "0000:99:00": False,
    }  # fmt: skip
    assert told["0000:c3:00"] == {"present": True, "config": "ff" * 64, "error": None}
    assert told["0000:02:00"]["error"] == "only 1 bytes"
    assert told["0000:99:00"] == {"present": False, "config": None, "error": None}


def test_a_sysfs_that_is_not_there_proves_no_device_gone(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    told = pci.read_all(Places(str(tmp_path)), ["0000:1b:00"])
    assert told["0000:1b:00"]["present"] is True
    assert told["0000:1b:00"]["error"]


def test_a_device_whose_config_is_not_shown_is_not_gone(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices/0000:1b:00.0").mkdir(parents=True)
    assert pci.read_all(Places(str(tmp_path)), ["0000:1b:00"])["0000:1b:00"]["present"] is True


def test_what_is_no_bus_id_never_becomes_a_path(tmp_path: Path) -> None:
    for name in ("../../../etc/shadow", "", "0000:1b:00/../x"):
        assert pci.read_all(Places(str(tmp_path)), [name])[name]["error"]


def test_the_devices_of_this_machine_answer() -> None:
    folder = Path("/sys/bus/pci/devices")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if not names:
        pytest.skip("no PCI devices here")
    told = pci.read_all(Places(), names)
    assert all(row["present"] for row in told.values())
    assert any(pci.is_there(row) for row in told.values())
