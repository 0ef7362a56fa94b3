"""The `pid=…, name=…, ` part of an Xid line. The name is the user's own choice: it may hold commas, brackets, anything.

So the end of the name is looked for where a text of the driver starts, and no other field is read before that place.
"""

import re

from aami_xid.kernel_record import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

LONGEST_COMM, LONGEST_NAME = 15, 100  # the kernel's limit, and that of the driver's buffer
PID = r"pid=('?<[^<>,]{0,30}>'?|[0-9]{1,10}(?![0-9])|[^,]{0,30})(?:,\s*|\s*$)"
# How the driver's own texts begin, over all codes.
BODY = (
    r"[Cc]h(?:annel)?(?: ID)? +(?:0x)?[0-9a-fA-F]{1,16}\b"
    r"|Graphics |Illegal |Class Error|An uncorrectable|Double Bit|Row Remap|Bank Remap|Dynamic Page|DRAM Ret"
    r"|[A-Z][A-Z0-9 /_-]{1,40}, Uncorrectable|Marking |Repairing |Retiring |Unable to |Contained|Uncontained"
    r"|Disabling ECC|SM SBE|Timeout |GSP|Error status|FSP |SEC_FAULT|SEC2|NVLink|NVLINK|GPU |BAD_TSG|MMU Fault|Engine "
    r"|[A-Z][A-Z0-9_/]{2,30}(?: [A-Za-z0-9]+)? +(?:Non-?fatal|Fatal)\b|[A-Za-z_]+(?: RX)? interrupt hit"
    r"|errorString |[A-Za-z-]{1,20} Heartbeat Timeout|Poison error|Uncorrectable |Resource |PMU |Head |Power |C2C |PCIe |(?:Possible )?PCIE_RESET|Key |[0-9a-f]{4,8}(?:\([0-9a-f]+\)|(?: [0-9a-f]{8}))"
    r"| ?caused by previous Xid |$"
)


def unknown(text: "str") -> "bool":
    """`'<unknown>'`, `<unknown>`, `<n/a>`: the driver's ways to say that it can't tell."""
    return text.strip("'").startswith("<") and text.strip("'").endswith(">")


def split(rest: "str") -> "Tuple[Optional[int], Optional[str], str, bool]":
    """(pid, process name, the driver's own text, whether the end of the name is certain)."""
    match = pattern(PID).match(rest)
    if not match:
        if not rest.startswith("name="):
            return None, None, rest, True
        name, body, certain = _name(rest[len("name=") :])
        return None, None if unknown(name) or not name else name, body, certain
    pid = None if match.group(1).strip("0123456789") or not match.group(1) else int(match.group(1))
    rest = rest[match.end() :]
    if not rest.startswith("name="):
        return pid, None, rest, True
    name, body, certain = _name(rest[len("name=") :])
    return pid, None if unknown(name) or not name else name, body, certain


def _name(text: "str") -> "Tuple[str, str, bool]":
    """Cut at the last comma that leaves a possible name on its left and a text of the driver on its right."""
    cuts = [match.start() for match in re.finditer(",", text[: LONGEST_NAME + 1])]
    if not cuts:
        return text.rstrip(), "", True
    starts = [cut for cut in cuts if starts_body(_body(text, cut))]
    short = [cut for cut in starts if len(text[:cut].encode("utf-8", "replace")) <= LONGEST_COMM]
    certain = bool(starts) or unknown(text[: cuts[0]])
    cut = short[-1] if short else (starts or cuts)[0]
    return text[:cut], _body(text, cut), certain


def _body(text: "str", cut: "int") -> "str":
    body = text[cut + 1 :]
    return body[body[:1] == " " :]


def starts_body(body: "str") -> "bool":
    """Whether a text begins as one of the driver's; an empty one does."""
    return pattern(BODY).match(body) is not None
