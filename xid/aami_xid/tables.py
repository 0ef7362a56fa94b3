"""The package's data files, read once, from a folder or from inside a zip archive."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_loaded: "Dict[str, Any]" = {}


def table(name: "str") -> "Any":
    """The content of data/<name>.json."""
    if name not in _loaded:
        import json
        import pkgutil

        data = pkgutil.get_data("aami_xid", "data/%s.json" % name)
        if data is None:
            raise LookupError("the package has no data file %r" % name)
        _loaded[name] = json.loads(data.decode("utf-8"))
    return _loaded[name]
