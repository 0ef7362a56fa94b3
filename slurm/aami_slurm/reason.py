"""The reason of a drain by aami-hpc, `aami:a:xid79:gpu5 GPU has fallen off the bus #k3q7x2mn`: written and read back.

Who (`a` automatic, `p` a person, `s` written by Slurm and explained by us), code and GPU stand within the 20
characters that `sinfo -R` shows. A code that is too long for that loses letters, always the same ones: one by one from
the end of its longest word, the first of equals; digits stay. `recovery-action` on GPU 3 is `rec-acti:gpu3`, and the
words then begin with the whole code. All of it is printable ASCII that scontrol, a shell and a CSV take literally.
"""

from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

WHO = ("a", "p", "s")
SHOWN = 20  # characters of `sinfo -R`
LIMIT = 200
MOST_GPUS = 1000
_ID = 8
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_DIGITS = "0123456789"
_CODE = frozenset("abcdefghijklmnopqrstuvwxyz-" + _DIGITS)
_WORDS = _CODE | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ .,:+_/()")
_NO_CODE, _NO_WORDS = "fault", "see the journal"
_LONGEST_CODE = 40
# What Slurm itself appends to a reason that stands there, behind " : ".
_BY_SLURM = (
    "Powered down",
    "Powered down after SuspendTimeout",
    "Powered down after resume",
    "ResumeTimeout reached",
    "reboot complete",
    "reboot issued",
    "reboot requested",
    "reboot timed out",
)
_JOINT = " : "
_LONGEST = 2 * LIMIT  # characters worth reading at all


class Reason:
    """A reason in its parts. `code` as it stands there, shortened or not; `gpu` is the index people know, or None;
    `appended` is what Slurm wrote behind it, such as " : reboot issued".
    """

    __slots__ = ("appended", "code", "gpu", "id", "who", "words")

    def __init__(self, who: "str", code: "str", gpu: "Optional[int]", words: "str", event: "str") -> "None":
        self.who = who
        self.code = code
        self.gpu = gpu
        self.words = words
        self.id = event
        self.appended = ""

    def __repr__(self) -> "str":
        return "<Reason %s>" % _compose(self.who, self.code, self.gpu, self.words, self.id)


def make(  # noqa: PLR0917 - the parts in the order in which they stand there
    who: "str", code: "str", gpu: "Optional[int]", words: "str", node: "str", boot_id: "str", seq: "int"
) -> "str":
    """The text for Slurm. Code and words may be anything; (node, boot_id, seq) is the event it goes back to."""
    if who not in WHO or not (gpu is None or 0 <= gpu < MOST_GPUS):
        raise ValueError("no such reason: who %r, GPU %r" % (who, gpu))
    return _compose(who, code, gpu, words, event_id(node, boot_id, seq))


def parse(text: "str") -> "Optional[Reason]":
    """The parts of a text that make() wrote, with or without what Slurm appends to it; None for any other text."""
    if len(text) > _LONGEST:
        return None
    head, mark, tail = text.partition(" #")
    event, appended = tail[:_ID], tail[_ID:]
    label, _, words = head.partition(" ")
    fields = label.split(":")
    if not mark or len(fields) not in (3, 4) or fields[1] not in WHO or not _is_id(event):
        return None
    gpu = _gpu(fields[3]) if len(fields) == 4 else None  # noqa: PLR2004 - aami, who, code, GPU
    found = Reason(fields[1], fields[2], gpu, words, event)
    # Only what would be written again letter for letter was written by us.
    written = _compose(found.who, found.code, found.gpu, found.words, found.id)
    found.appended = appended
    return found if written + appended == text and _is_by_slurm(appended) else None


def event_id(node: "str", boot_id: "str", seq: "int") -> "str":
    """The short name of an event, as it stands behind the `#`."""
    import base64
    import hashlib

    key = "%s|%s|%d" % (node, boot_id, seq)
    return (
        base64.b32encode(hashlib.sha256(key.encode("utf-8", "backslashreplace")).digest())[:_ID]
        .decode()
        .lower()
    )


def _compose(who: "str", code: "str", gpu: "Optional[int]", words: "str", event: "str") -> "str":
    start = "aami:%s:" % who
    suffix = "" if gpu is None else ":gpu%d" % gpu
    whole = _clean_code(code)
    shown = _shortened(whole, SHOWN - len(start) - len(suffix))
    label = start + shown + suffix
    end = " #" + event
    if shown != whole:
        words = "%s: %s" % (whole, words)
    return label + " " + _clean_words(words, LIMIT - len(label) - 1 - len(end)) + end


def _clean_code(code: "str") -> "str":
    lower = "".join(char if char in _CODE else "-" for char in code[:_LONGEST_CODE].lower())
    return "-".join(part for part in lower.split("-") if part) or _NO_CODE


def _shortened(code: "str", room: "int") -> "str":
    """See the module's first lines."""
    parts = code.split("-")
    stems = [part.rstrip(_DIGITS) for part in parts]
    numbers = [part[len(stems[place]) :] for place, part in enumerate(parts)]
    over = len(code) - room
    while over > 0 and max(map(len, stems)) > 1:
        longest = max(range(len(stems)), key=lambda place: len(stems[place]))
        stems[longest] = stems[longest][:-1]
        over -= 1
    told = "-".join(stem + numbers[place] for place, stem in enumerate(stems))
    return told[:room].rstrip("-")


def _clean_words(words: "str", room: "int") -> "str":
    kept = "".join(char if char in _WORDS else " " for char in words[: LIMIT * 4])
    return plain(kept, room) or _NO_WORDS


def _is_id(event: "str") -> "bool":
    return len(event) == _ID and not event.strip(_ID_LETTERS)


def _gpu(field: "str") -> "Optional[int]":
    """The index of `gpu5`; None for what is none, which is then not written again as it stood."""
    number = field[3:]
    return int(number) if 0 < len(number) < len(str(MOST_GPUS)) and not number.strip(_DIGITS) else None


def _is_by_slurm(appended: "str") -> "bool":
    parts = appended.split(_JOINT)
    return not parts[0] and all(part in _BY_SLURM for part in parts[1:])
