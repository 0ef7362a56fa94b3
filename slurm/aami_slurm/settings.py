"""What the head node decided for every node: node.json of the generation that this code belongs to."""

from aami_slurm import fast_json
from aami_slurm.fast_json import NotJson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from aami_slurm.places import Places

SCHEMA = "aami.node/1"
TEXTFILE = "/var/lib/prometheus/node-exporter"
KMSG = "/dev/kmsg"
LARGEST = 4 << 20


class Unusable(Exception):  # noqa: N818 - the house's way to name errors
    """node.json can't be used: outcome `config`. The hooks let jobs run and say so."""


class Settings:
    """The values, with the defaults of a node.json that says nothing. The same file serves every node."""

    def __init__(self, told: "Dict[str, Any]") -> "None":
        slurm: "Dict[str, Any]" = told.get("slurm", {})
        paths: "Dict[str, Any]" = told.get("paths", {})
        self.generation = str(told.get("generation", "none"))
        self.cluster = str(told.get("cluster", ""))
        self.slurm_conf: "Optional[str]" = slurm.get("conf")
        self.scontrol: "str" = slurm.get("scontrol", "/usr/bin/scontrol")
        self.sinfo: "str" = slurm.get("sinfo", "/usr/bin/sinfo")
        self.kmsg: "str" = paths.get("kmsg", KMSG)
        self.textfile: "Optional[str]" = paths.get("textfile", TEXTFILE)
        self.nvml: "str" = paths.get("nvml", "libnvidia-ml.so.1")
        self.nvidia_smi: "str" = paths.get("nvidia_smi", "/usr/bin/nvidia-smi")
        self.gres_order: "str" = told.get("gres_order", "bus")  # what Slurm's GPU index counts: bus | minor
        # What Slurm is configured to have: [{"nodes": RANGE, "gpus": N}], later rows win.
        self.gres: "List[Dict[str, Any]]" = told.get("gres", [])
        self.job_labels: "List[str]" = told.get("job_labels", ["user", "account", "partition"])
        self.mounts: "List[Dict[str, Any]]" = told.get("mounts", [])  # [{"nodes": RANGE, "path": P}]
        self.policy: "Dict[str, Any]" = told.get("policy", {})  # aami.policy/1


def load(places: "Places") -> "Settings":
    """The settings, or Unusable with what is wrong."""
    try:
        with open(places.settings, "rb") as source:
            raw = source.read(LARGEST + 1)
    except OSError as error:
        raise Unusable("%s: %s" % (places.settings, error.strerror)) from None
    if len(raw) > LARGEST:
        raise Unusable("%s: larger than %d bytes" % (places.settings, LARGEST))
    try:
        told = fast_json.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, NotJson) as error:
        raise Unusable("%s: no JSON: %s" % (places.settings, error)) from None
    return of(told, places.settings)


def of(told: "Any", source: "str") -> "Settings":
    """Settings of a parsed document. Only the head checks it against the whole schema; a node checks what it uses."""
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        schema = told.get("schema") if isinstance(told, dict) else None
        raise Unusable("%s: schema %r, this release reads %r" % (source, schema, SCHEMA))
    try:
        return Settings(told)
    except (AttributeError, TypeError) as error:
        raise Unusable("%s: %s" % (source, error)) from None
