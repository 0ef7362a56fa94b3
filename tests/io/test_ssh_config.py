"""The user's ssh configuration means here what it means to ssh itself: `ssh -G` is asked for the truth."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aami_hpc.errors import SshError
from aami_hpc.io.ssh.client_config import read_config
from aami_hpc.io.ssh.options import SshOptions, Target
from aami_hpc.io.ssh.outcome import Failed, Kind
from aami_hpc.io.ssh.plan import Local, Plan, hop, make_plan

LOCAL = Local("ada", Path("/home/ada"), 1000, "head.example.org")


def plan(
    folder: Path, text: str, target: Target, options: SshOptions | None = None, local: Local = LOCAL
) -> Plan:
    path = folder / "config"
    path.write_text(text)
    path.chmod(0o600)
    return make_plan(target, options or SshOptions(), read_config([path]), local)


def truth(folder: Path, text: str, host: str) -> dict[str, str]:
    """What ssh makes of the same file."""
    path = folder / "config"
    path.write_text(text)
    path.chmod(0o600)
    done = subprocess.run(["ssh", "-G", "-F", path, host], capture_output=True, text=True, check=True)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


WORDS = st.sampled_from(["gpu-001", "gpu-002", "head", "gpu-*", "*-001", "*", "!gpu-002", "!head", "gp?-00?"])
PATTERNS = st.lists(WORDS, min_size=1, max_size=3)
SETTINGS = st.one_of(
    st.sampled_from(["root", "ops", "ada"]).map("User {}".format),
    st.sampled_from(["22", "2222", "2022"]).map("Port {}".format),
    st.sampled_from(["gpu-001", "10.0.0.7", "%h.example.org"]).map("HostName {}".format),
    st.sampled_from(["yes", "no"]).map("IdentitiesOnly={}".format),
    st.sampled_from(["inet", "inet6", "any"]).map("AddressFamily = {}".format),
    st.sampled_from(["alias-a", "alias-b"]).map('HostKeyAlias "{}"'.format),
)
HEADS = st.one_of(
    PATTERNS.map(" ".join).map("Host {}".format),
    PATTERNS.map(",".join).map("Match host {}".format),
    PATTERNS.map(",".join).map("Match originalhost {}".format),
    st.sampled_from(["Match user root", "Match user ops,ada", "Match all", "Match !user root"]),
    st.sampled_from(["Match exec true", "Match exec false", "Match host gpu-* exec true"]),
)
BLOCKS = st.lists(st.tuples(HEADS, st.lists(SETTINGS, max_size=3)), max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(SETTINGS, max_size=2), blocks=BLOCKS, host=st.sampled_from(["gpu-001", "gpu-002", "head"])
)
def test_every_file_means_what_ssh_says(
    tmp_path: Path, first: list[str], blocks: list[tuple[str, list[str]]], host: str
) -> None:
    lines = first + [line for head, inside in blocks for line in (head, *("  " + one for one in inside))]
    text = "\n".join(lines) + "\n"
    said, found = truth(tmp_path, text, host), plan(tmp_path, text, Target(host), local=Local.here())
    assert (found.address, str(found.port), found.user) == (said["hostname"], said["port"], said["user"])
    assert found.alias == said.get("hostkeyalias", "")
    assert found.identities_only == (said["identitiesonly"] == "yes")


def test_lists_of_files_add_up_and_tokens_are_expanded(tmp_path: Path) -> None:
    text = """
Host gpu-*
    IdentityFile ~/.ssh/%r-%h
    UserKnownHostsFile "/etc/our hosts" ~/.ssh/known_%n
    ProxyCommand nc -X 5 %h %p  # no comment: all of it is the command
Host *
    IdentityFile /etc/keys/%u
    User root
    HashKnownHosts yes
"""
    found = plan(tmp_path, text, Target("gpu-001", "10.0.0.7", port=2200))
    assert found.identities == (LOCAL.home / ".ssh/root-10.0.0.7", Path("/etc/keys/ada"))
    assert found.known_hosts == (Path("/etc/our hosts"), LOCAL.home / ".ssh/known_gpu-001")
    assert found.proxy_command.startswith("nc -X 5 10.0.0.7 2200")
    assert found.hashed


def test_an_include_counts_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name, text in (("a", "User ops\n"), ("b", "Host head\nPort 2222\n")):
        (tmp_path / "more" / name).write_text(text)
    text = "Host gpu-*\n  Include more/*\nHost *\n  User root\n"
    assert plan(tmp_path, text, Target("gpu-001")).user == "ops"
    assert plan(tmp_path, text, Target("head")).user == "root"
    assert plan(tmp_path, text, Target("head")).port == 22


def test_a_file_that_includes_itself_comes_to_an_end(tmp_path: Path) -> None:
    assert plan(tmp_path, f"Include {tmp_path}/config\nUser ops\n", Target("gpu-001")).user == "ops"


def test_match_final_is_a_second_pass(tmp_path: Path) -> None:
    text = "Match final host *.example.org\n  User ops\nHost gpu-001\n  HostName %h.example.org\n"
    assert truth(tmp_path, text, "gpu-001")["user"] == "ops"
    assert plan(tmp_path, text, Target("gpu-001")).user == "ops"


def test_what_can_not_be_followed_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        "CanonicalizeHostname yes\nKnownHostsCommand /bin/keys %H\n"
        "Match localnetwork 10.0.0.0/8\n  User nobody\nHost *\n  User root\n"
    )
    config = read_config([path])
    assert make_plan(Target("gpu-001"), SshOptions(), config, LOCAL).user == "root"
    assert config.remarks == [
        f"{path}:1: CanonicalizeHostname is not followed: names are used as they are",
        f"{path}:2: KnownHostsCommand is not followed: host keys come from files only",
        f"{path}:3: `Match localnetwork` is not followed: the block is left out",
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('IdentityFile "/home/ada/key', "A quote is not closed"),
        ("Port", "A word without a value"),
        ("Match user", "`Match user` without a pattern"),
    ],
)
def test_what_ssh_refuses_is_an_error_with_file_and_line(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(SshError) as told:
        plan(tmp_path, f"# mine\n{line}\n", Target("gpu-001"))
    assert str(told.value).startswith(f"{tmp_path}/config:2 can't be read as ssh configuration. {why}.")


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("User root\n")
    path.chmod(0o666)
    with pytest.raises(SshError, match="Somebody else may write it"):
        read_config([path])


def test_the_check_of_host_keys_can_not_be_switched_off(tmp_path: Path) -> None:
    found = plan(tmp_path, "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n", Target("gpu-001"))
    assert found.known_hosts == (LOCAL.home / ".ssh/known_hosts", LOCAL.home / ".ssh/known_hosts2")
    assert len(found.remarks) == 2


def test_options_win_over_the_file_and_the_target_over_both(tmp_path: Path) -> None:
    text = "User file\nPort 1\nHostName file.example.org\n"
    options = SshOptions(user="options", port=2)
    found = plan(tmp_path, text, Target("gpu-001"), options)
    assert (found.user, found.port, found.address) == ("options", 2, "file.example.org")
    found = plan(tmp_path, text, Target("gpu-001", "10.0.0.7", 3, "target"), options)
    assert (found.user, found.port, found.address) == ("target", 3, "10.0.0.7")


def test_of_proxy_jump_and_proxy_command_the_first_one_counts(tmp_path: Path) -> None:
    both = "ProxyJump ops@bastion:2222,inner\nProxyCommand nc %h %p\n"
    found = plan(tmp_path, both, Target("gpu-001"))
    assert (found.jump, found.proxy_command) == (("ops@bastion:2222", "inner"), "")
    turned = "\n".join(reversed(both.splitlines()))
    found = plan(tmp_path, turned, Target("gpu-001"))
    assert (found.jump, found.proxy_command) == ((), "nc gpu-001 22")
    assert plan(tmp_path, both, Target("inner")).jump == ()  # the jump host itself
    assert plan(tmp_path, both, Target("gpu-001"), SshOptions(proxy_jump="none")).jump == ()


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("bastion", Target("bastion")),
        ("ops@bastion:2222", Target("bastion", port=2222, user="ops")),
        ("ssh://ops@[fd00::1]:2222/", Target("fd00::1", port=2222, user="ops")),
    ],
)
def test_hops_are_read_as_ssh_writes_them(text: str, target: Target) -> None:
    assert hop(text) == target


@pytest.mark.parametrize(
    "target",
    [
        Target("-oProxyCommand=id"),
        Target("gpu-001;id"),
        Target("gpu-001", "$(id)"),
        Target("gpu-001", user="root'x"),
        Target("gpu-001", user="-l"),
    ],
)
def test_a_name_that_is_none_goes_nowhere(tmp_path: Path, target: Target) -> None:
    with pytest.raises(Failed) as told:
        plan(tmp_path, "ProxyCommand nc %h %p\n", target)
    assert told.value.kind is Kind.NAME_UNKNOWN


def test_the_agent_of_the_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SSH_AUTH_SOCK", "/run/agent")
    assert plan(tmp_path, "", Target("gpu-001")).agent == "/run/agent"
    assert plan(tmp_path, "IdentityAgent none\n", Target("gpu-001")).agent == ""
    assert plan(tmp_path, "IdentityAgent ~/agent\n", Target("gpu-001")).agent == "/home/ada/agent"
