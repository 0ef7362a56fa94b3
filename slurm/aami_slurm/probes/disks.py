"""How full local file systems are, and whether they can be written to: statvfs, the mount table, and fstab."""

import os

from aami_slurm.places import Places
from aami_slurm.probes import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

USUAL = ("/", "/tmp", "/var")  # noqa: S108 - looked at, never written to
ALWAYS = frozenset(
    ["squashfs", "iso9660", "erofs", "cramfs", "romfs"]
)  # written once, by whoever made the image
EMERGENCY = "emergency_ro"  # what newer kernels say of an ext4 that they stopped writing to


def read(ask: "Dict[str, Any]") -> "Dict[str, Dict[str, Any]]":
    """{path: free, total, inodes, read_only and why}. `ask` may have `paths`, and `root` as tests set it."""
    places = Places(ask.get("root") or "")
    try:
        mounted = mounts.table(places)
    except OSError:
        mounted = {}  # then nothing is known of the reasons; the numbers need no table
    wanted = _fstab(places)
    return {path: _row(places, path, mounted, wanted) for path in ask.get("paths") or USUAL}


def _row(
    places: "Places", path: "str", mounted: "Dict[str, Dict[str, Any]]", wanted: "Dict[str, bool]"
) -> "Dict[str, Any]":
    try:
        told = os.statvfs(places.below(path).encode("utf-8", "surrogateescape"))
    except OSError as error:
        return {"error": error.strerror}
    place = mounts.of(mounted, path)
    mount: "Dict[str, Any]" = mounted.get(place or "", {})
    read_only = bool(told.f_flag & os.ST_RDONLY) or EMERGENCY in mount.get("super", ())
    return {
        "free": told.f_bavail * told.f_frsize,
        "total": told.f_blocks * told.f_frsize,
        "inodes_free": told.f_favail,
        "inodes": told.f_files,
        "read_only": read_only,
        "why_read_only": _why(mount, wanted.get(place or "")) if read_only else None,
        "mount": place,
        "type": mount.get("type"),
        "options": mount.get("options", []),
    }


def _why(mount: "Dict[str, Any]", wants_writing: "Optional[bool]") -> "Optional[str]":
    """`kernel`: it was mounted for writing. `fstab`: it should have been. `mounted`: so, and nothing says otherwise."""
    if not mount:
        return None
    lower = mount["type"] == "overlay" and not any(
        option.startswith("upperdir=") for option in mount["super"]
    )
    if mount["type"] in ALWAYS or lower:
        return "mounted"
    if "ro" not in mount["options"]:
        return "kernel"
    return "fstab" if wants_writing else "mounted"


def _fstab(places: "Places") -> "Dict[str, bool]":
    """{mount point: whether fstab wants it writable}. No fstab, as on many images, wants nothing."""
    try:
        with open(places.root + "/etc/fstab", "rb") as source:
            lines = source.read(1 << 20).decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return {}
    rows = [line.split() for line in lines if not line.lstrip().startswith("#")]
    return {mounts.unescape(row[1]): "ro" not in row[3].split(",") for row in rows if len(row) > 3}  # noqa: PLR2004
