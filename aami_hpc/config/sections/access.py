"""`access`: what people may do without being asked again."""

from typing import Annotated

from pydantic import Field

from aami_hpc.config.base import Section


class AccessSection(Section):
    """Limits on what one command may touch."""

    max_nodes_per_action: Annotated[int, Field(strict=True, ge=0, le=100_000)] = Field(
        4, description="An action on more nodes asks for their number to be typed back. 0: always."
    )
