"""Secrets: resolved at use, and never seen anywhere else."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter, ValidationError

from aami_hpc.config import load
from aami_hpc.config.effective import effective
from aami_hpc.config.emit import lines
from aami_hpc.config.examine import examine
from aami_hpc.config.secret import Secret
from aami_hpc.config.sections.ssh import SshSection
from aami_hpc.errors import AamiError, SecretUnavailable
from tests.config.support import write

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.config import Settings

HUNTER = "hunter2-is-the-secret"


def settings_with(tmp_path: Path, reference: str, environ: dict[str, str] | None = None) -> Settings:
    main = write(tmp_path / "config.yaml", f"ssh:\n  key_passphrase: {reference}\n")
    main.chmod(0o640)
    return load(main, environ=environ or {})


def revealed(settings: Settings) -> str:
    assert settings.ssh.key_passphrase is not None
    return settings.ssh.key_passphrase.reveal()


def test_a_variable_is_read_at_use(tmp_path: Path) -> None:
    environ = {"PASSPHRASE": "early"}
    settings = settings_with(tmp_path, "pre-${PASSPHRASE}", environ)
    environ["PASSPHRASE"] = "late"
    assert revealed(settings) == "pre-late"
    del environ["PASSPHRASE"]
    with pytest.raises(SecretUnavailable, match="PASSPHRASE, which is not set"):
        revealed(settings)


def test_a_file_is_read_at_use_and_may_be_relative_to_the_configuration(tmp_path: Path) -> None:
    secret = write(tmp_path / "secrets/pass", "early\n")
    settings = settings_with(tmp_path, "!file secrets/pass")
    secret.write_text("late \r\n")
    assert revealed(settings) == "late "
    secret.unlink()
    with pytest.raises(SecretUnavailable, match="secrets/pass can't be read"):
        revealed(settings)


def test_a_file_may_be_named_by_a_variable_or_the_home_folder(tmp_path: Path) -> None:
    write(tmp_path / "credentials/pass", HUNTER)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), "HOME": str(tmp_path)}
    assert revealed(settings_with(tmp_path, "!file ${CREDENTIALS_DIRECTORY}/pass", environ)) == HUNTER
    assert revealed(settings_with(tmp_path, "!file ~/credentials/pass", environ)) == HUNTER


@pytest.mark.parametrize("content", [b"", b"\n", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_secret_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pass").write_bytes(content)
    with pytest.raises(SecretUnavailable, match="holds no secret"):
        revealed(settings_with(tmp_path, "!file pass"))


def test_what_only_looks_like_a_variable_is_literal(tmp_path: Path) -> None:
    assert revealed(settings_with(tmp_path, "a$b$${c}")) == "a$b${c}"


@pytest.mark.parametrize(
    "reference", [HUNTER, "${PASSPHRASE}", "!file pass", f"'{HUNTER}'", f'"{HUNTER} ${{PASSPHRASE}}"']
)
def test_a_secret_prints_as_stars(tmp_path: Path, reference: str) -> None:
    write(tmp_path / "pass", HUNTER)
    settings = settings_with(tmp_path, reference, {"PASSPHRASE": HUNTER})
    secret, section = settings.ssh.key_passphrase, settings.ssh
    shown = [
        f"{secret} {secret!r} {secret:>10} %s %r" % (secret, secret), f"{section} {section!r} {settings!r} {settings}",
        str(section.model_dump()), str(section.model_dump(mode="json")), section.model_dump_json(),
        json.dumps(effective(settings)), "\n".join(lines(effective(settings), settings.origin)),
        str(copy.deepcopy(section)), str(section.model_copy(update={"port": 1})), str(dict(section)),
        repr(examine(settings.files[0], environ={"PASSPHRASE": HUNTER})), json.dumps({"x": secret}, default=str),
    ]  # fmt: skip
    for text in shown:
        assert HUNTER not in text
    assert all("***" in text for text in shown if "Examined" not in text)
    assert HUNTER in revealed(settings)
    with pytest.raises(TypeError, match="does not leave the process"):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "text",
    [
        f"ssh: {{key_passphrase: [{HUNTER}]}}", f"ssh: {{key_passphrase: {{a: {HUNTER}}}}}",
        f"ssh: {{key_pasphrase: {HUNTER}}}", f"ssh:\n  key_passphrase: *{HUNTER}", f"ssh:\n  key_passphrase: !{HUNTER}",
        f"ssh:\n  key_passphrase: &{HUNTER}", f"ssh:\n  key_passphrase: @{HUNTER}", f"ssh:\n  key_passphrase: '{HUNTER}",
        f'ssh:\n  key_passphrase: "\\{HUNTER}"', f"ssh:\n  key_passphrase: {HUNTER}: x", f"ssh:\n  key_passphrase: ${{{HUNTER}}}",
        f"ssh: {HUNTER}", f"ssh: {{key_passphrase: {HUNTER}, port: x}}", f"ssh:\n  key_passphrase: !{HUNTER}! x",
        f"ssh:\n  key_passphrase: {HUNTER}\n bad: x", HUNTER, f"ssh:\n\tkey_passphrase: {HUNTER}",
        f"ssh: {{user: {HUNTER} ${{UNSET}}}}",
    ],
)  # fmt: skip
def test_no_fault_tells_a_secret(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "config.yaml", text)
    with pytest.raises(AamiError) as caught:
        load(path, environ={"PASSPHRASE": HUNTER})
    told = [str(caught.value), json.dumps(caught.value.as_dict())]
    told.append("".join(traceback.format_exception(caught.value)))
    told += [f"{problem}" for problem in examine(path, environ={}).problems]
    assert not [text for text in told if HUNTER in text]


def test_pydantic_tells_no_value_either() -> None:
    for given in ({"key_passphrase": [HUNTER]}, {"user": [HUNTER]}, {"port": HUNTER}, {"known": HUNTER}):
        with pytest.raises(ValidationError) as caught:
            SshSection.model_validate(given)
        assert HUNTER not in str(caught.value)


def test_a_secret_made_in_code_stays_as_it_is() -> None:
    secret = Secret(HUNTER)
    assert SshSection(key_passphrase=secret).key_passphrase is secret
    assert TypeAdapter(SshSection).dump_python(SshSection(key_passphrase=secret))["key_passphrase"] is secret


@pytest.mark.parametrize(
    ("reference", "mode", "remark"),
    [
        ("!file pass", 0o644, "everybody on this machine can read"), ("!file pass", 0o600, ""),
        (HUNTER, 0o640, "stands in the configuration itself"), ("${PASSPHRASE}", 0o644, ""),
    ],
)  # fmt: skip
def test_check_remarks_on_secrets_that_others_can_read(
    tmp_path: Path, reference: str, mode: int, remark: str
) -> None:
    write(tmp_path / "pass", HUNTER).chmod(mode)
    settings_with(tmp_path, reference, {"PASSPHRASE": HUNTER})
    warnings = examine(tmp_path / "config.yaml", environ={"PASSPHRASE": HUNTER}).warnings
    assert bool(warnings) == bool(remark)
    assert all(remark in warning.what for warning in warnings)
