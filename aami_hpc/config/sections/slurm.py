"""`slurm`: where Slurm's configuration and commands are, and how long it may take to answer."""

from pydantic import Field

from aami_hpc.config.base import Duration, FilePath, Section


class SlurmSection(Section):
    """How to ask Slurm."""

    conf: FilePath | None = Field(
        None, description="Path of slurm.conf. Not set: $SLURM_CONF, else Slurm's own default."
    )
    bin_dir: FilePath | None = Field(
        None, description="Folder of scontrol, sinfo and the others. Not set: $PATH."
    )
    timeout: Duration = Field(3.0, description="How long one question to Slurm may take.")
