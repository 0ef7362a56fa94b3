"""Kernel messages about a process or a device start with a name its owner chose, and that name may look like a driver.

The kernel's limit makes them recognisable: a process name has at most 15 bytes, and one of the kernel's own
continuations follows it at once. A bus id in brackets doesn't fit into 15 bytes, so only forms without one need this.
"""

from aami_xid.kernel_record import pattern

LONGEST_NAME = 15
AFTER_A_NAME = (
    r"\[[0-9]+\]"  # name[123]: segfault at ..., name[123] general protection fault, name[123]: unhandled ...
    r"|/[0-9]+[:/ ]"  # name/123: potentially unexpected fatal signal
    r"|\(-?[0-9]+\)[: ]| \([0-9]+\)[: ]"  # name (123): drop_caches, name(123): ...
    r"|: (?:page allocation|vmalloc|segfault|unhandled|invalid|attempt|renamed|link (?:up|becomes))"
    r"|'? (?:invoked oom-killer|used greatest stack|uses |is using|timed out|calls |called |attempts |tried |sets? )"
    r"|\[PID:|\[uid:"
)


def about_a_name(message: "str") -> "bool":
    """Whether the kernel speaks here about something named like a driver."""
    found = pattern(AFTER_A_NAME)
    return any(found.match(message, at) for at in range(1, min(len(message), LONGEST_NAME) + 1))
