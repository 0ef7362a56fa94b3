"""Addresses of GPUs and NVSwitches as the drivers print them."""

import re

from aami_xid.kernel_record import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Tuple

ADDRESS = (
    r"\s*(?:PCI:)?\s*(?:(?P<domain>[0-9a-f]{1,8}):)?(?P<bus>[0-9a-f]{1,4}):(?P<device>[0-9a-f]{1,2})"
    r"(?:\.[0-9a-f]{1,2})?:?(?P<mig>(?:\s.*)?)$"
)
MIG = r"\s*GPU-I:(?P<gi>[0-9]{1,5})(?:\s+GPU-CI:(?P<ci>[0-9]{1,5}))?\s*$"


def address(where: "str") -> "Tuple[Optional[str], Optional[Dict[str, Optional[int]]]]":
    """`PCI:0000:C1:00.0 GPU-I:05` as ("0000:c1:00", {"gi": 5, "ci": None}); (None, None) for what is no address."""
    match = pattern(ADDRESS, re.IGNORECASE).match(where)
    if not match:
        return None, None
    mig = pattern(MIG, re.IGNORECASE).match(match.group("mig"))
    instance: "Optional[Dict[str, Optional[int]]]" = None
    if mig:
        instance = {"gi": int(mig.group("gi")), "ci": int(mig.group("ci")) if mig.group("ci") else None}
    return bus_id(match.group("domain"), match.group("bus"), match.group("device")), instance


def bus_id(domain: "Optional[str]", bus: "str", device: "str") -> "str":
    """dddd:bb:dd in lower case; the domain has more digits where it needs them."""
    return "%04x:%02x:%02x" % (int(domain or "0", 16), int(bus, 16), int(device, 16))
