"""Which UUID and serial number stand behind a bus id, as far as the log tells it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Tuple

    from aami_xid.event import Event

    Key = Tuple[Optional[str], str]


class Names:
    """The driver prints `GPU at PCI:…: GPU-…` and, right after it, the board's serial number without a bus id."""

    def __init__(self) -> "None":
        self._uuid: "Dict[Key, str]" = {}
        self._serial: "Dict[Key, str]" = {}
        self._named_last: "Dict[Optional[str], Optional[str]]" = {}

    def learn(self, event: "Event") -> "None":
        if event.kind == "gpu-at" and event.bus_id:
            self._uuid[event.host, event.bus_id] = event.fields["uuid"]
            self._named_last[event.host] = event.bus_id
        elif event.kind == "board-serial":
            bus_id = event.bus_id or self._named_last.get(event.host)
            if bus_id:
                self._serial[event.host, bus_id] = event.fields["serial"]
            self._named_last[event.host] = None
        elif event.kind == "driver-version":
            self._named_last[event.host] = None

    def uuid(self, host: "Optional[str]", bus_id: "str") -> "Optional[str]":
        return self._uuid.get((host, bus_id))

    def serial(self, host: "Optional[str]", bus_id: "str") -> "Optional[str]":
        return self._serial.get((host, bus_id))
