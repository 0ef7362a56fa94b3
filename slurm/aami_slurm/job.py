"""The job run a hook was called for, out of the environment that slurmd gives it. All of it is text, never authority."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional

LONGEST = 256  # characters kept of a name that users choose
DIGITS = 18


class JobRun:
    """`restart` tells the runs of a requeued job apart. `gpus_told` is SLURM_JOB_GPUS, `visible` CUDA_VISIBLE_DEVICES,
    as they came; None where unset. `exit_code` is EXIT_CODE2 (`code:signal`), in the epilog only.
    """

    __slots__ = (
        "account",
        "cluster",
        "exit_code",
        "gpus_told",
        "het_job_id",
        "job_id",
        "partition",
        "restart",
        "sluid",
        "uid",
        "user",
        "visible",
    )

    def __init__(self, environ: "Mapping[str, str]", cluster: "str" = "") -> "None":
        self.cluster = _text(environ, "SLURM_CLUSTER_NAME") or cluster
        self.job_id = _number(environ, "SLURM_JOB_ID")
        if self.job_id is None:
            self.job_id = _number(environ, "SLURM_JOBID")
        self.restart = _number(environ, "SLURM_JOB_RESTART_COUNT") or 0
        self.sluid = _text(environ, "SLURM_JOB_SLUID")
        self.het_job_id = _number(environ, "SLURM_HET_JOB_ID")
        self.user = _text(environ, "SLURM_JOB_USER")
        self.uid = _number(environ, "SLURM_JOB_UID")
        self.account = _text(environ, "SLURM_JOB_ACCOUNT")
        self.partition = _text(environ, "SLURM_JOB_PARTITION")
        self.gpus_told = environ.get("SLURM_JOB_GPUS")
        self.visible = environ.get("CUDA_VISIBLE_DEVICES")
        self.exit_code = _text(environ, "SLURM_JOB_EXIT_CODE2")

    @property
    def key(self) -> "str":
        """`1234.0`: one run of one job."""
        return "%s.%d" % (self.job_id, self.restart)

    def to_dict(self) -> "Dict[str, Any]":
        return {name: getattr(self, name) for name in self.__slots__}


def _text(environ: "Mapping[str, str]", name: "str") -> "Optional[str]":
    told = environ.get(name)
    return told[:LONGEST].encode("utf-8", "backslashreplace").decode("utf-8") if told else None


def _number(environ: "Mapping[str, str]", name: "str") -> "Optional[int]":
    told = environ.get(name, "")
    return int(told) if 0 < len(told) <= DIGITS and all(char in "0123456789" for char in told) else None
