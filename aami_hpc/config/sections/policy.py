"""`policy`: what a finding on a node may cause, and the limits no automatic drain can pass."""

from typing import Annotated, Literal

from pydantic import Field

from aami_hpc.config.base import Count, Date, Duration, Limit, Name, Range, Section, Text

Mode = Literal["off", "shadow", "enforce"]
Effect = Literal["block-and-drain", "drain-after-job", "allow-and-record"]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]


class PolicyWindow(Section):
    """So many nodes may be drained automatically within a time."""

    seconds: Duration = Field(description="How long the time is.")
    nodes: Count = Field(description="Nodes at most.")
    share: Share = Field(
        description="Share of all GPU nodes at most, such as 0.05. One node is always allowed."
    )


class PolicyOut(Section):
    """So many nodes may be out of service by automatic drains at once."""

    share: Share = Field(0.05, description="Share of all GPU nodes.")
    at_least: Count = Field(2, description="Nodes that may be out even where the share is less.")


class PolicyRails(Section):
    """Limits of automatic drains. People may go beyond them."""

    windows: tuple[PolicyWindow, ...] = Field(
        (
            PolicyWindow(seconds=600.0, nodes=2, share=0.05),
            PolicyWindow(seconds=3600.0, nodes=4, share=0.05),
        ),
        description="Every one of them holds.",
    )
    out: PolicyOut = Field(PolicyOut(), description="What may be out of service at once.")


class PolicyRule(Section):
    """What holds for a check. A later rule that fits wins, key by key."""

    check: Text = Field(description="Name of the check, or `*` for every check.")
    nodes: Range | None = Field(None, description="Nodes the rule is for. Not set: all.")
    mode: Mode | None = Field(None, description="Whether its findings count.")
    effect: Effect | None = Field(None, description="The most that a failed check may cause.")
    budget_s: Duration | None = Field(None, description="How long the check may take.")
    interval_s: Duration | None = Field(None, description="How often what is costly is looked at.")
    limits: dict[Name, Limit] | None = Field(None, description="Thresholds of the check, by name.")
    snooze_until: Date | None = Field(None, description="Until then the check counts as in shadow.")
    why: Text | None = Field(None, description="For the next person who reads this.")


class PolicySection(Section):
    """The standard policy: every check is in shadow, so nothing is drained."""

    name: Text = Field("standard", description="Name of the policy, in records and reasons.")
    mode: Mode = Field(
        "shadow",
        description="What holds where no rule says it: `off`, `shadow` (record what would be done) or `enforce`.",
    )
    quiet_partitions: tuple[Text, ...] = Field(
        (), description="Partitions whose busy nodes are never asked through NVIDIA's library."
    )
    rails: PolicyRails = Field(PolicyRails(), description="Limits no automatic drain can pass.")
    rules: tuple[PolicyRule, ...] = Field((), description="Rules; a later one wins.")
