"""What every hook stands on: JSON without `re`, stamps, plain text, places, settings, the job of an environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm import clock, fast_json, finding, settings, text
from aami_slurm.job import JobRun
from aami_slurm.node import is_name
from aami_slurm.places import Places

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_fast_json_is_json(value: object) -> None:
    line = fast_json.dumps(value)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == value
    assert fast_json.loads(" \n" + json.dumps(value, indent=1) + " \t") == value


@given(st.text())
def test_fast_json_refuses_what_json_refuses(told: str) -> None:
    try:
        expected = json.loads(told)
    except ValueError:
        with pytest.raises(fast_json.NotJson):
            fast_json.loads(told)
    else:
        assert repr(fast_json.loads(told)) == repr(expected)


@pytest.mark.parametrize(
    "told", ["", "[1", '{"a" 1}', "[1] x", "[" * 100_000, '{"a":1}{"b":2}', "nul", '"\x01"']
)
def test_broken_documents_are_one_kind_of_error(told: str) -> None:
    with pytest.raises(fast_json.NotJson):
        fast_json.loads(told)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), float("nan"), float("inf")])
def test_what_has_no_form_in_json_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        fast_json.dumps(value)


def test_without_the_accelerator_json_itself_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_json, "_FAST", None)
    assert fast_json.loads(fast_json.dumps({"a": [1, None, "é"]})) == {"a": [1, None, "é"]}
    with pytest.raises(fast_json.NotJson):
        fast_json.loads("[1")


@given(st.integers(0, 253402300799), st.integers(0, 999))
def test_a_stamp_is_read_back(seconds: int, milli: int) -> None:
    told = clock.stamp(seconds + milli / 1000)
    assert abs((clock.seconds_of(told) or 0) - (seconds + milli / 1000)) < 0.002


@pytest.mark.parametrize(
    "told",
    [
        "",
        "x",
        "2026-13-01",
        "2026-02-29",
        "2026-11-20T24:00:00Z",
        "20261120",
        "2026-1-1",
        "2026-11-20T1:2:3Z",
    ],
)
def test_what_is_no_stamp_is_none(told: str) -> None:
    assert clock.seconds_of(told) is None


@given(st.text(), st.integers(4, 100))
def test_plain_text_is_one_short_line_of_printable_ascii(told: str, limit: int) -> None:
    shown = text.plain(told, limit)
    assert len(shown) <= limit
    assert all(0x20 <= ord(char) < 0x7F for char in shown)


def test_the_root_moves_every_place(tmp_path: Path) -> None:
    places = Places(str(tmp_path) + "/")
    for name in ("settings", "library", "libexec", "etc", "state", "journal", "ledger", "inventory", "run"):
        if name != "settings":
            assert str(getattr(places, name)).startswith(str(tmp_path)), name
    assert places.proc == "/proc"  # a root without one uses the machine's
    (tmp_path / "proc").mkdir()
    assert Places(str(tmp_path)).proc == f"{tmp_path}/proc"
    assert places.below("/var/x") == f"{tmp_path}/var/x"


@pytest.mark.parametrize("name", ["gpu-001", "n1.example.org", "a_b"])
def test_node_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "ALL", "all", "gpu[1-2]", "a,b", "a b", "a\n", "é", "x" * 300, "$(x)"])
def test_what_is_no_single_node(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    "told", ["[]", "7", '{"schema":"aami.node/2"}', '{"schema":"aami.node/1","paths":[]}', "{", "\xff"]
)
def test_settings_that_can_not_be_used_are_one_error(tmp_path: Path, told: str) -> None:
    places = Places(str(tmp_path), str(tmp_path))
    (tmp_path / "node.json").write_text(told, encoding="latin-1")
    with pytest.raises(settings.Unusable, match=r"node\.json"):
        settings.load(places)


@given(st.dictionaries(st.sampled_from(["SLURM_JOB_ID", "SLURM_JOB_UID", "SLURM_JOB_USER", "X"]), st.text()))
def test_any_environment_makes_a_job_run_or_none(environ: dict[str, str]) -> None:
    job = JobRun(environ)
    assert job.job_id is None or job.job_id >= 0
    json.dumps(job.to_dict())


def test_a_finding_survives_being_written_down() -> None:
    found = finding.Finding(
        "fail", "gone", code="gpu-lost", gpu_uuid="GPU-1", gpu=3, evidence={"seq": 7}, check="xid"
    )
    assert finding.from_dict(json.loads(json.dumps(found.to_dict()))).to_dict() == found.to_dict()
    with pytest.raises(ValueError, match="no such outcome"):
        finding.Finding("bad", "x")


def test_json_costs_no_re() -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); from aami_slurm import fast_json; print('re' in sys.modules)"
    where = str(Path(fast_json.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, where], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
