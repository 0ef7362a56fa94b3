"""Which GPUs a job has: what slurmd says in the hook's environment, read through the inventory. Pure.

Slurm says it by its own index, by UUID, or both; shared GPUs and MIG devices make it many-to-many. All of it is text.
"""

from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set

    from aami_slurm.job import JobRun

MOST = 256  # indices of a range, and names in a list
LONGEST = 64  # characters kept of one that can't be resolved
_TEXT = 8192  # characters looked at
_SHORTEST = 8  # characters of an abbreviated UUID
_NONE = ("", "nodevfiles", "none", "void")
_UUIDS = ("gpu-", "mig-")
_DIGITS = 5


class Resolution:
    """`gpus` has {"uuid", "bus_id", "slurm_index", "nvml_index", "mig"} of each; `mig` is the device of it that the job
    has, {"uuid", "gi", "ci"}, or None for the whole card. `unresolved` is what could not be told which GPU it is;
    `words` what an administrator should know.
    """

    __slots__ = ("gpus", "unresolved", "words")

    def __init__(self, gpus: "List[Dict[str, Any]]", unresolved: "List[str]", words: "str") -> "None":
        self.gpus = gpus
        self.unresolved = unresolved
        self.words = words


def resolve(job: "JobRun", inventory: "Optional[Dict[str, Any]]") -> "Resolution":
    """The job's GPUs. A UUID is the truth; an index counts only where no UUID was given."""
    told, visible = _names(job.gpus_told), _names(job.visible)
    devices = _devices(inventory)
    words = []
    if inventory is None and (told or visible):
        words.append("no inventory of this boot yet")
    if any(name.lower().startswith(_UUIDS) for name in visible):
        found, unresolved = _found(visible, devices)
        if (
            told
            and not unresolved
            and {_key(one) for one in found} != {_key(one) for one in _found(told, devices)[0]}
        ):
            words.append(
                "SLURM_JOB_GPUS=%s says other GPUs: the UUIDs count" % plain(",".join(told), LONGEST)
            )
    else:
        found, unresolved = _found(told or visible, devices)
        if told and visible and set(told) != set(visible):
            words.append(
                "CUDA_VISIBLE_DEVICES=%s says other GPUs: SLURM_JOB_GPUS counts"
                % plain(",".join(visible), LONGEST)
            )
    if unresolved and inventory is not None:
        words.append("not in the inventory: %s" % ", ".join(unresolved[:8]))
    return Resolution(found, unresolved, "; ".join(words))


def _names(told: "Optional[str]") -> "List[str]":
    """The names of a list, ranges written out: `0-2,GPU-1a` is 0, 1, 2 and GPU-1a."""
    names: "List[str]" = []
    for word in (told or "")[:_TEXT].replace("[", "").replace("]", "").split(","):
        if word.strip().lower() not in _NONE:
            names += _range(word.strip())
    return names[:MOST]


def _range(word: "str") -> "List[str]":
    first, dash, last = word.partition("-")
    if dash and _is_number(first) and _is_number(last) and 0 <= int(last) - int(first) < MOST:
        return [str(number) for number in range(int(first), int(last) + 1)]
    return [str(int(word))] if _is_number(word) else [word]


def _is_number(word: "str") -> "bool":
    return 0 < len(word) <= _DIGITS and all(char in "0123456789" for char in word)


def _devices(inventory: "Optional[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    """Everything that Slurm may count as a GPU: cards, and the MIG devices of those that are cut. One that is known
    from an older boot alone has no index, and is found by its name only.
    """
    devices = []
    for gpu in inventory["gpus"] if inventory else []:
        first = gpu["slurm_index"]
        for place, part in enumerate([None] if gpu["mig"] is None else gpu["mig"]):
            devices.append(_device(gpu, None if first is None else first + place, part))
    return devices


def _device(
    gpu: "Dict[str, Any]", slurm_index: "Optional[int]", part: "Optional[Dict[str, Any]]"
) -> "Dict[str, Any]":
    return {
        "uuid": gpu["uuid"], "bus_id": gpu["bus_id"], "slurm_index": slurm_index, "nvml_index": gpu["nvml_index"],
        "mig": part,
    }  # fmt: skip


def _key(device: "Dict[str, Any]") -> "Any":
    return (device["uuid"], device["slurm_index"], device["mig"] and device["mig"]["uuid"])


def _found(names: "List[str]", devices: "List[Dict[str, Any]]") -> "Any":
    """(devices by these names, each once; names of none)."""
    found: "List[Dict[str, Any]]" = []
    seen: "Set[Any]" = set()
    unresolved = []
    for name in names:
        some = _by_name(name, devices)
        if not some:
            unresolved.append(plain(name, LONGEST))
        for device in some:
            if _key(device) not in seen:
                seen.add(_key(device))
                found.append(device)
    return found, unresolved


def _by_name(name: "str", devices: "List[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    """The device of an index or a UUID. The UUID of a card that is cut is all of its devices."""
    if _is_number(name):
        return [device for device in devices if device["slurm_index"] == int(name)]
    wanted = name.lower()
    if wanted.startswith("mig-gpu-"):
        return _by_instance(name, devices)
    if wanted.startswith("mig-"):
        return [device for device in devices if device["mig"] and device["mig"]["uuid"].lower() == wanted]
    if not wanted.startswith("gpu-") or len(wanted) < _SHORTEST:
        return []
    some = [device for device in devices if device["uuid"].lower().startswith(wanted)]
    return some if len({device["uuid"] for device in some}) == 1 else []


def _by_instance(name: "str", devices: "List[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    """`MIG-GPU-<uuid>/<gi>/<ci>`, as drivers before R470 and Slurm name a MIG device."""
    same = [device for device in devices if device["mig"] and device["mig"]["uuid"].lower() == name.lower()]
    uuid, _, numbers = name[len("MIG-") :].partition("/")
    return same or [
        device
        for device in devices
        if device["mig"]
        and device["uuid"].lower() == uuid.lower()
        and "%s/%s" % (device["mig"]["gi"], device["mig"]["ci"]) == numbers
    ]
