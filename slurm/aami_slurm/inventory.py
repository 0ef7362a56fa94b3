"""Which GPUs this node has, by name and serial: saved while they are well, so that one that is gone is still known.

A generation is a boot, a driver, a MIG layout and a set of GPUs. What follows a change is a new one, a file of its own.
"""

import os

from aami_slurm import fast_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

    from aami_slurm.clock import Clock
    from aami_slurm.places import Places

SCHEMA = "aami.inventory/1"
LARGEST = 1 << 20
KEPT = 32  # files
SEEN_EVERY = 600.0  # seconds after which `last_seen` is written anew though nothing has changed
GPU_KEYS = (
    "uuid", "bus_id", "nvml_index", "slurm_index", "minor", "serial", "model", "vbios", "mig", "present",
    "last_seen",
)  # fmt: skip
_BY_CARD = ("serial", "model", "vbios", "minor")  # a card that refuses one of these still has it
_END = ".json"
_BUS_ID_PARTS = 3
_HEX = frozenset("0123456789abcdef")
_DIGITS = 9  # of a generation


def load(places: "Places", boot_id: "str") -> "Optional[Dict[str, Any]]":
    """The newest inventory of this boot, None before the first."""
    for generation in sorted(_generations(places, boot_id), reverse=True):
        found = _read(places, "%s-%d%s" % (boot_id, generation, _END))
        if found is not None and found["boot_id"] == boot_id:
            return found
    return None


def update(  # noqa: PLR0917 - the order of the places a file is about
    places: "Places",
    clock: "Clock",
    node: "str",
    boot_id: "str",
    reading: "Dict[str, Any]",
    gres_order: "str",
) -> "Tuple[Dict[str, Any], List[str]]":
    """(inventory, what has changed). `reading` is of all GPUs; `gres_order` is what Slurm's index counts: bus or minor.

    A GPU that the reading lacks, or that is in trouble, stays in it as not present.
    """
    if not reading.get("whole", True):
        raise ValueError("an inventory is made of all GPUs of the node")
    from aami_slurm.clock import stamp

    now = clock.wall()
    current = load(places, boot_id)
    known: "List[Dict[str, Any]]" = current["gpus"] if current else _of_older_boot(places, node, boot_id)
    changes: "List[str]" = []
    if current is None:
        changes.append("first look at the GPUs in this boot")
        if known and not _names(known) & _names(reading["gpus"]):
            changes.append("another machine: none of the %d GPUs known before is here" % len(known))
            known = []
    gpus = _ranked(_merged(known, reading["gpus"], stamp(now), changes), gres_order)
    if current is not None:
        changes += _other_tools(current, reading)
        if not changes and _identity(gpus) == _identity(current["gpus"]):
            return _seen_again(places, now, current, gpus), []
    made = {
        "schema": SCHEMA, "node": node, "boot_id": boot_id,
        "generation": max(_generations(places, boot_id), default=0) + 1,
        "made": stamp(now), "why": "; ".join(changes or ["a card tells something else of itself"])[:500],
        "driver": reading["driver"] or (current and current["driver"]), "source": reading["source"], "gpus": gpus,
    }  # fmt: skip
    changes = changes or [made["why"]]
    return made, changes + _save(places, made)


def _merged(
    known: "List[Dict[str, Any]]", live: "List[Dict[str, Any]]", now: "str", changes: "List[str]"
) -> "List[Dict[str, Any]]":
    """The GPUs that are well as they are now, and those that are only known; says what is new in `changes`."""
    before = {gpu["uuid"]: gpu for gpu in known}
    well = {gpu["uuid"]: gpu for gpu in live if gpu["uuid"] and gpu["bus_id"] and not gpu["trouble"]}
    gpus = [_present(gpu, before.get(uuid), now) for uuid, gpu in well.items()]
    here = _names(gpus)
    taken = {gpu["bus_id"] for gpu in gpus if gpu["uuid"] not in before}
    for gpu in gpus:
        changes += _news(gpu, before)
    for gpu in known:
        if gpu["uuid"] in here:
            continue
        if gpu["bus_id"] in taken:
            changes.append("%s was replaced by another card at %s" % (gpu["uuid"], gpu["bus_id"]))
            continue
        if gpu["present"]:
            changes.append("%s at %s is gone, serial %s" % (gpu["uuid"], gpu["bus_id"], gpu["serial"]))
        gpus.append(dict(gpu, present=False, nvml_index=_index_of(gpu, live)))
    return gpus


def _present(gpu: "Dict[str, Any]", before: "Optional[Dict[str, Any]]", now: "str") -> "Dict[str, Any]":
    made = {key: gpu.get(key) for key in GPU_KEYS}
    made.update(present=True, last_seen=now)
    if before is not None:
        for key in _BY_CARD:
            made[key] = before[key] if made[key] is None else made[key]
        if _parts(made) == _parts(before):
            made["mig"] = before["mig"]  # nvidia-smi does not tell the instances
    return made


def _news(gpu: "Dict[str, Any]", before: "Dict[str, Dict[str, Any]]") -> "List[str]":
    old = before.get(gpu["uuid"])
    if old is None:
        return ["%s at %s is new" % (gpu["uuid"], gpu["bus_id"])] if before else []
    if not old["present"]:
        return ["%s at %s is back" % (gpu["uuid"], gpu["bus_id"])]
    if _parts(old) != _parts(gpu):
        return ["the MIG layout of %s has changed" % gpu["uuid"]]
    return []


def _index_of(gpu: "Dict[str, Any]", live: "List[Dict[str, Any]]") -> "Optional[int]":
    """NVML's index of a GPU that is not well: it keeps its place while the driver still lists it, without its name."""
    for row in live:
        if row["trouble"] and gpu["uuid"] == row["uuid"]:
            return int(row["nvml_index"]) if row["nvml_index"] is not None else None
    nameless = [row for row in live if row["trouble"] and row["uuid"] is None]
    for row in nameless:
        same_place = row["bus_id"] is not None and row["bus_id"] == gpu["bus_id"]
        if same_place or (row["bus_id"] is None and row["nvml_index"] == gpu["nvml_index"]):
            return int(row["nvml_index"]) if row["nvml_index"] is not None else None
    return None


def _ranked(gpus: "List[Dict[str, Any]]", order: "str") -> "List[Dict[str, Any]]":
    """In Slurm's order, with Slurm's index: its place among all of this boot, those that are lost by now too. A card
    that is cut into MIG devices has the index of its first, and takes as many places as it has devices.
    """
    gpus = sorted(gpus, key=lambda gpu: _rank(gpu, order))
    index = 0
    for gpu in filter(_of_this_boot, gpus):
        gpu["slurm_index"] = index
        index += 1 if gpu["mig"] is None else len(gpu["mig"])
    return gpus


def _of_this_boot(gpu: "Dict[str, Any]") -> "bool":
    """Whether Slurm counts it: it is well, was so in this boot, or the driver lists it though it can't be opened. A
    card that was taken out before this boot is still known, but no index is its own any more.
    """
    return bool(gpu["present"]) or gpu["slurm_index"] is not None or gpu["nvml_index"] is not None


def _rank(gpu: "Dict[str, Any]", order: "str") -> "Tuple[Any, ...]":
    place = tuple(int(part, 16) for part in gpu["bus_id"].split(":"))
    minor = gpu["minor"] if order == "minor" and gpu["minor"] is not None else -1
    return (minor, place, gpu["uuid"])


def _parts(gpu: "Dict[str, Any]") -> "Optional[List[str]]":
    return None if gpu["mig"] is None else [part["uuid"] for part in gpu["mig"]]


def _identity(gpus: "List[Dict[str, Any]]") -> "List[List[Any]]":
    """What a generation is about: everything but when it was seen, and what one tool tells and the other does not."""
    return [[gpu[key] for key in GPU_KEYS if key not in ("last_seen", "mig")] + [_parts(gpu)] for gpu in gpus]


def _other_tools(current: "Dict[str, Any]", reading: "Dict[str, Any]") -> "List[str]":
    if reading["driver"] is not None and reading["driver"] != current["driver"]:
        return ["the driver is %s, was %s" % (reading["driver"], current["driver"])]
    return []


def _names(gpus: "Iterable[Dict[str, Any]]") -> "Set[str]":
    return {gpu["uuid"] for gpu in gpus if gpu["uuid"]}


def _seen_again(
    places: "Places", now: "float", current: "Dict[str, Any]", gpus: "List[Dict[str, Any]]"
) -> "Dict[str, Any]":
    """The same generation. Once in a while it is written anew, so that `last_seen` says something."""
    from aami_slurm.clock import seconds_of

    seen = [seconds_of(gpu["last_seen"]) or 0.0 for gpu in current["gpus"] if gpu["present"]]
    if seen and not 0 <= now - min(seen) < SEEN_EVERY:
        current = dict(current, gpus=gpus)
        _save(places, current)
    return current


def _save(places: "Places", made: "Dict[str, Any]") -> "List[str]":
    """Write it; what was wrong with that, in words. Then only this run knows it."""
    from aami_slurm.files import make_folder, write_atomic

    path = "%s/%s-%d%s" % (places.inventory, made["boot_id"], made["generation"], _END)
    try:
        make_folder(places.inventory)
        write_atomic(path, fast_json.dumps(made).encode("ascii"), alone=True)
    except OSError as error:
        return ["the inventory can't be saved: %s" % error.strerror]
    _prune(places, os.path.basename(path))
    return []


def _prune(places: "Places", current: "str") -> "None":
    """Keep the newest files, however many boots and changes there were, and this one however old it seems."""
    try:
        for name in [name for name in _by_age(places) if name != current][KEPT - 1 :]:
            os.unlink("%s/%s" % (places.inventory, name))
    except OSError:
        return  # some files more than need be, until the next time


def _of_older_boot(places: "Places", node: "str", boot_id: "str") -> "List[Dict[str, Any]]":
    """The GPUs of this node's last inventory before this boot, without their places in that boot's Slurm. Another
    node's files may lie beside it, where a disk was cloned or is shared.
    """
    for name in _by_age(places):
        found = _read(places, name)
        if found is not None and found["boot_id"] != boot_id and found.get("node") == node:
            return [dict(gpu, slurm_index=None) for gpu in found["gpus"]]
    return []


def _by_age(places: "Places") -> "List[str]":
    """The newest first. Of those of one moment the later generation."""
    found = [(_age(places, name), len(name), name) for name in _files(places)]
    return [name for _, _, name in sorted(found, reverse=True)]


def _age(places: "Places", name: "str") -> "float":
    try:
        return os.stat("%s/%s" % (places.inventory, name)).st_mtime
    except OSError:
        return 0.0  # pruned by another hook


def _files(places: "Places") -> "List[str]":
    try:
        return [name for name in os.listdir(places.inventory) if name.endswith(_END) and name[:1] != "."]
    except OSError:
        return []


def _generations(places: "Places", boot_id: "str") -> "List[int]":
    begin = boot_id + "-"
    numbers = [name[len(begin) : -len(_END)] for name in _files(places) if name.startswith(begin)]
    return [int(number) for number in numbers if number.isdigit() and len(number) <= _DIGITS]


def _read(places: "Places", name: "str") -> "Optional[Dict[str, Any]]":
    try:
        with open("%s/%s" % (places.inventory, name), "rb") as source:
            told = fast_json.loads(source.read(LARGEST).decode("ascii"))
    except (OSError, ValueError):
        return None
    return told if _is_sound(told) else None


def _is_sound(told: "Any") -> "bool":
    """Whether a document is what this module writes, as far as others rely on it."""
    if not isinstance(told, dict) or told.get("schema") != SCHEMA or not isinstance(told.get("gpus"), list):
        return False
    heads = (
        isinstance(told.get("boot_id"), str) and isinstance(told.get("generation"), int) and "driver" in told
    )
    return heads and all(_is_gpu(gpu) for gpu in told["gpus"])


def _is_gpu(gpu: "Any") -> "bool":
    if not isinstance(gpu, dict) or not all(key in gpu for key in GPU_KEYS):
        return False
    kinds = (("uuid", str), ("bus_id", str), ("present", bool), ("last_seen", str))
    if not all(isinstance(gpu[key], kind) for key, kind in kinds) or not _is_bus_id(gpu["bus_id"]):
        return False
    indices = ("nvml_index", "slurm_index", "minor")
    numbers = all(gpu[key] is None or isinstance(gpu[key], int) for key in indices)
    return numbers and (
        gpu["mig"] is None or (isinstance(gpu["mig"], list) and all(map(_is_part, gpu["mig"])))
    )


def _is_bus_id(told: "str") -> "bool":
    """Written dddd:bb:dd; a domain may be longer."""
    domain, _, rest = told.partition(":")
    parts = (domain, *rest.split(":"))
    return len(parts) == _BUS_ID_PARTS and all(part and _HEX.issuperset(part) for part in parts)


def _is_part(part: "Any") -> "bool":
    return isinstance(part, dict) and isinstance(part.get("uuid"), str) and "gi" in part and "ci" in part
