"""From a clone to something that runs: what `make up` and `make test` do before the package is there.

Standard library only, and syntax that an old Python can read: on a system we don't support this file has to
start, and to say why. It is not part of the wheel.
"""

import argparse
import glob
import hashlib
import os
import platform
import shutil
import subprocess
import sys

CLONE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
UP = os.path.join(CLONE, ".up")
VENV = os.path.join(CLONE, ".venv")
OLDEST = (3, 10)
NAMES = ("python3", "python3.11", "python3.10", "python3.12", "python3.13", "python3.14")
WORKS = (
    "What works: Linux with Python {}.{} or newer. Proven on Debian 12; Ubuntu 22.04 and newer, and EL 9 with the\n"
    "python3.11 package, should work and have not been tried. See docs/support.md."
).format(*OLDEST)


class Stop(Exception):
    """The work can't go on; the text says why and what to do."""


def say(line: "str") -> "None":
    print(line)
    sys.stdout.flush()


def run(argv: "list[str]") -> "None":
    """Run one step and show its output only when it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        text = done.stdout.decode("utf-8", "replace")[-3000:]
        raise Stop(
            "{}\nended with status {}. The end of what it said is above.".format(text, done.returncode)
        )


# --- what is here -----------------------------------------------------------------------------------------


def unsupported(system: "str", found: "dict[tuple[int, ...], str]") -> "str":
    """Why this system can't run aami-hpc, or nothing."""
    if system != "Linux":
        return "aami-hpc runs on Linux; this is {}.\n{}".format(system or "an unknown system", WORKS)
    if not found:
        return "No Python {}.{} or newer was found ({} looked for).\n{}".format(
            OLDEST[0], OLDEST[1], ", ".join(NAMES), WORKS
        )
    return ""


def version_of(program: "str") -> "tuple[int, ...]":
    """(3, 11) for an interpreter that starts, else nothing."""
    try:
        done = subprocess.run(
            [program, "-I", "-c", "import sys; print(*sys.version_info[:2])"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    words = done.stdout.decode("ascii", "replace").split()
    return tuple(map(int, words)) if done.returncode == 0 and len(words) == 2 else ()


def interpreters(places: "list[str] | None" = None) -> "dict[tuple[int, ...], str]":
    """Every interpreter we can use, by version: the one that runs this first."""
    found = {}  # type: dict[tuple[int, ...], str]
    if places is None:
        places = [sys.executable]
        places += [path for path in map(shutil.which, NAMES) if path]
        places += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.1*/bin/python3")))
    for program in places:
        version = version_of(program)
        if version >= OLDEST and version not in found:
            found[version] = program
    return found


# --- what is missing --------------------------------------------------------------------------------------


def privileged() -> "list[str] | None":
    """The words to put before a command that needs root, or None when there is no way to root."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.call(["sudo", "-n", "true"], stderr=subprocess.DEVNULL) == 0:
        return ["sudo", "-n"]
    return None


def missing_packages(wanted: "list[str]") -> "list[str]":
    """Those of the Debian packages that are not installed."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"], stdout=subprocess.PIPE, check=True
    )
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    installed = {line.split()[0] for line in lines if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def install_packages(wanted: "list[str]", why: "str") -> "None":
    """Install what is missing of Debian's packages, and say which."""
    if not shutil.which("apt-get"):
        raise Stop(
            "{} needs these programs, and only apt-get is known here: {}".format(why, " ".join(wanted))
        )
    missing = missing_packages(wanted)
    if not missing:
        return
    root = privileged()
    command = "apt-get install --no-install-recommends {}".format(" ".join(missing))
    if root is None:
        raise Stop("{} needs Debian packages. As root: {}".format(why, command))
    say("{}: installing Debian packages: {}".format(why, " ".join(missing)))
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q"]
    run([*apt, "update"])
    run([*apt, "install", "--no-install-recommends", *missing])


def listed_packages() -> "list[str]":
    """The packages that `make test` needs: first word of each line of tests/packages.txt."""
    with open(os.path.join(CLONE, "tests", "packages.txt"), encoding="utf-8") as stream:
        return [line.split()[0] for line in stream if line.strip() and not line.startswith("#")]


def fingerprint(python: "str", extra: "str") -> "str":
    """What a virtual environment depends on: another one means to install again."""
    with open(os.path.join(CLONE, "pyproject.toml"), "rb") as stream:
        return hashlib.sha256(stream.read() + repr((python, extra, CLONE)).encode()).hexdigest()


def content(path: "str") -> "str":
    """The file's text; nothing where there is no file."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return ""


def environment(folder: "str", python: "str", extra: "str" = "") -> "bool":
    """A virtual environment with the package in it; what is there and fits is used again."""
    stamp = os.path.join(folder, "installed")
    wanted = fingerprint(python, extra)
    if content(stamp) == wanted:
        return False
    if subprocess.call([python, "-I", "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL):
        install_packages(["python3-venv"], "A virtual environment")
    say("installing aami-hpc into {} (a minute or so)".format(os.path.relpath(folder, CLONE)))
    run([python, "-m", "venv", "--clear", folder])
    run([os.path.join(folder, "bin", "python"), "-m", "pip", "install", "-q", "-e", CLONE + extra])
    with open(stamp, "w", encoding="utf-8") as stream:
        stream.write(wanted)
    return True


# --- the commands -----------------------------------------------------------------------------------------


def up(python: "str") -> "None":
    """`make up`: install into the clone, run the main job on this machine, say what is next."""
    fresh = environment(os.path.join(UP, "venv"), python)
    config = os.path.join(UP, "config.yaml")
    if not os.path.exists(config):
        with open(config, "w", encoding="utf-8") as stream:
            stream.write(
                "# Made by `make up`: everything of this trial stays below .up/ in the clone.\n"
                "storage:\n  state_dir: {}\n".format(os.path.join(UP, "state"))
            )
    command = os.path.join(UP, "venv", "bin", "aami-hpc")
    node = os.path.join(UP, "node")  # a compute node's whole tree, with the hooks in it
    ran = []  # type: list[str]
    for name, argv in (
        ("aami-hpc look", [command, "look"]),
        ("aami-hpc status", [command, "status"]),
        ("aami-hpc hooks render", [command, "hooks", "render", node, "--node", "this-machine"]),
        ("the health hook", [os.path.join(node, "usr", "libexec", "aami-hpc", "health")]),
        ("aami-node check", [os.path.join(node, "usr", "bin", "aami-node"), "check"]),
    ):
        say("\n$ {}\n".format(name))
        status = subprocess.call(argv, env=dict(os.environ, AAMI_CONFIG=config, AAMI_ROOT=node))
        if status > 1:
            raise Stop("`{}` ended with status {}: see the line above".format(name, status))
        ran.append("{}: {}".format(name, "done" if status == 0 else "done, something needs attention"))
    summary("new" if fresh else "as it was", ran, config)


def summary(age: "str", ran: "list[str]", config: "str") -> "None":
    shown = os.path.relpath(config, os.getcwd())
    rows = (
        ("installed", ".up/venv ({})".format(age)),
        ("ran", "; ".join(ran)),
        ("running now", "nothing: all of it looked and ended, no service was started"),
        ("changed", "nothing outside {}, but for Debian packages named above, if any".format(UP)),
        ("look at", shown + ", README.md, docs/quickstart.md"),
        ("type next", "export PATH={}/venv/bin:$PATH AAMI_CONFIG={}".format(UP, config)),
        ("", "aami-hpc --help"),
        ("", "aami-hpc init --config my-site.yaml"),
        ("", "aami-hpc nodes list"),
        ("", "AAMI_ROOT={0}/node {0}/node/usr/bin/aami-node explain".format(UP)),
        ("remove", "rm -r {}".format(UP)),
    )
    say("")
    for label, text in rows:
        say("{:<12} {}".format(label, text))


def venvs(found: "dict[tuple[int, ...], str]", python: "str") -> "None":
    """`make test`: one environment per interpreter we support and find."""
    environment(VENV, python, "[dev]")
    for version, program in sorted(found.items()):
        if version in ((3, 10), (3, 11)) and version != version_of(python):
            environment("{}-{}.{}".format(VENV, *version), program, "[dev]")


def main(arguments: "list[str]") -> "None":
    parser = argparse.ArgumentParser(prog="bootstrap")
    parser.add_argument("work", choices=("up", "packages", "venv", "venvs"))
    work = parser.parse_args(arguments).work
    found = interpreters()
    reason = unsupported(platform.system(), found)
    if reason:
        raise Stop(reason)
    python = found.get((3, 11)) or found[max(found)]
    if work == "up":
        up(python)
    elif work == "packages":
        install_packages(listed_packages(), "The test suite")
    elif work == "venv":
        environment(VENV, python, "[dev]")
    else:
        venvs(found, python)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Stop as stop:
        sys.stderr.write("\n{}\n".format(stop))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted: run it again, it goes on where it was\n")
        sys.exit(130)
