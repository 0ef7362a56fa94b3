"""Verdicts: only a fresh fail drains, only the prolog blocks and only for its own job, and shadow does neither."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm.finding import OUTCOMES, Finding
from aami_slurm.policy import EFFECTS, MODES, Rule
from aami_slurm.verdict import VERDICTS, Decision, decide

ALLOW, RECORD, DRAIN, BLOCK = VERDICTS
NOW = 10_000_000_000
MINE, OTHER = "GPU-mine", "GPU-other"
PHASES = ("prolog", "epilog", "health")
CHECKS = ("xid", "driver-answers", "site-fans")


def rule(mode: str = "enforce", effect: str = BLOCK, **values: Any) -> Rule:
    made = Rule("xid", {"effect": effect, "budget_s": 1.0, "limits": {}})
    made.mode = mode
    made.origin = "policy p, rule 1"
    for key, value in values.items():
        setattr(made, key, value)
    return made


def fail(gpu_uuid: str | None = MINE, *, age_s: float = 1, seq: int | None = 8, **values: Any) -> Finding:
    evidence = {"source": "kmsg", "raw": "NVRM: Xid", "mono_us": NOW - int(age_s * 1e6), "seq": seq}
    gpu = {MINE: 3, OTHER: 5, None: None}[gpu_uuid]
    told = {"code": "xid79", "check": "xid", "evidence": evidence, **values}
    return Finding("fail", "GPU has fallen off the bus", gpu_uuid=gpu_uuid, gpu=gpu, **told)


def judge(
    *findings: Finding, phase: str = "prolog", rules: dict[str, Rule] | None = None, **values: Any
) -> Decision:
    told = {"job_gpus": frozenset({MINE}), "covered_seq": 0, "now_mono_us": NOW, **values}
    return decide(phase, findings, {"xid": rule()} if rules is None else rules, **told)


def test_nothing_found_allows() -> None:
    assert judge().verdict == ALLOW
    passed = judge(Finding("pass", "well", check="xid"))
    assert (passed.verdict, passed.would, passed.finding, passed.findings) == (ALLOW, ALLOW, None, [])


def test_a_fresh_fail_on_the_jobs_own_gpu_blocks() -> None:
    decision = judge(fail())
    assert (decision.verdict, decision.would, decision.mode) == (BLOCK, BLOCK, "enforce")
    assert (decision.code, decision.gpu, decision.words) == ("xid79", 3, "GPU has fallen off the bus")
    assert (decision.rule, decision.stale) == ("policy p, rule 1", [])


def test_a_fresh_fail_of_the_node_blocks() -> None:
    assert judge(fail(None)).verdict == BLOCK
    assert judge(fail(None), job_gpus=frozenset()).verdict == BLOCK
    assert judge(fail(None), job_gpus=None).verdict == BLOCK


def test_a_fail_on_another_gpu_drains_after_the_job() -> None:
    assert judge(fail(OTHER)).verdict == DRAIN
    assert judge(fail(OTHER), job_gpus=frozenset()).verdict == DRAIN


def test_where_the_jobs_gpus_are_not_known_no_gpu_blocks() -> None:
    assert judge(fail(MINE), job_gpus=None).verdict == DRAIN


def test_a_gpu_known_by_its_index_alone_is_not_taken_for_the_node() -> None:
    nameless = fail(None)
    nameless.gpu = 3
    assert judge(nameless).verdict == DRAIN


@pytest.mark.parametrize("phase", ["epilog", "health"])
def test_only_the_prolog_blocks(phase: str) -> None:
    assert judge(fail(), phase=phase).verdict == DRAIN
    assert judge(fail(None), phase=phase).verdict == DRAIN
    assert judge(fail(), phase=phase, job_gpus=None).verdict == DRAIN


@pytest.mark.parametrize("outcome", ["warn", "config", "error"])
def test_only_a_fail_drains(outcome: str) -> None:
    told = fail()
    told.outcome, told.severity = outcome, "fatal"
    decision = judge(told)
    assert (decision.verdict, decision.would, decision.stale) == (RECORD, RECORD, [])


def test_the_effect_of_the_rule_is_the_most_it_causes() -> None:
    assert judge(fail(), rules={"xid": rule(effect=DRAIN)}).verdict == DRAIN
    assert judge(fail(), rules={"xid": rule(effect=RECORD)}).verdict == RECORD


def test_shadow_drains_nothing_and_says_what_it_would_have_done() -> None:
    decision = judge(fail(), rules={"xid": rule("shadow")})
    assert (decision.verdict, decision.would, decision.mode) == (RECORD, BLOCK, "shadow")


def test_a_snooze_drains_nothing_and_says_what_it_would_have_done() -> None:
    decision = judge(fail(), rules={"xid": rule(snoozed_until="2027-01-01T00:00:00Z")})
    assert (decision.verdict, decision.would) == (RECORD, BLOCK)
    assert decision.rule == "policy p, rule 1, snoozed until 2027-01-01T00:00:00Z"


def test_a_check_that_is_off_is_not_even_recorded() -> None:
    assert judge(fail(), rules={"xid": rule("off")}).verdict == ALLOW


def test_a_check_without_a_rule_causes_nothing() -> None:
    decision = judge(fail(), rules={})
    assert (decision.verdict, decision.would, decision.mode, decision.rule) == (
        RECORD,
        RECORD,
        "shadow",
        "no rule",
    )


def test_a_sites_own_check_stays_at_warn() -> None:
    decision = judge(fail(), rules={"xid": rule(at_most_warn=True)})
    assert (decision.verdict, decision.would) == (RECORD, RECORD)


@pytest.mark.parametrize(
    ("age_s", "seq", "covered", "fresh"),
    [
        (1, 8, 7, True),
        (1, 8, 8, False),  # a drain has covered this line
        (1, 7, 8, False),
        (3600, 8, 0, True),
        (3601, 8, 0, False),  # last hour's Xid
        (-100, 8, 0, True),  # the kernel's clock strays from ours
        (-3601, 8, 0, False),  # of an earlier boot
        (60, None, 99, True),  # a reading has no line that could be covered
        (61, None, 0, False),
        (-61, None, 0, False),
    ],
)
def test_only_fresh_evidence_counts(age_s: float, seq: int | None, covered: int, *, fresh: bool) -> None:
    decision = judge(fail(age_s=age_s, seq=seq), covered_seq=covered)
    assert decision.verdict == (BLOCK if fresh else RECORD)
    assert decision.would == decision.verdict
    assert len(decision.stale) == (not fresh)


def test_the_policy_says_how_long_a_line_is_fresh() -> None:
    assert judge(fail(age_s=61), rules={"xid": rule(limits={"fresh_s": 60})}).verdict == RECORD
    assert judge(fail(age_s=7000), rules={"xid": rule(limits={"fresh_s": 7200.0})}).verdict == BLOCK


@pytest.mark.parametrize("mono_us", [None, "1", 1.5, True, [], {}])
def test_evidence_without_a_time_is_not_fresh(mono_us: Any) -> None:
    assert judge(fail(evidence={"mono_us": mono_us, "seq": 8})).verdict == RECORD
    assert judge(fail(evidence={})).verdict == RECORD


def test_the_strongest_verdict_is_the_root_whatever_else_is_there() -> None:
    rules = {"xid": rule(), "driver-answers": rule("shadow"), "site-fans": rule("shadow", at_most_warn=True)}
    loud = Finding("fail", "fans", check="site-fans", severity="fatal", code="a", evidence={"mono_us": NOW})
    node = Finding(
        "fail", "hung", check="driver-answers", severity="fatal", code="a", evidence={"mono_us": NOW}
    )
    decision = judge(loud, node, fail(OTHER), rules=rules)
    assert (decision.verdict, decision.would, decision.code) == (DRAIN, BLOCK, "xid79")
    assert decision.words == "GPU has fallen off the bus, and 2 more"
    assert decision.mode == "enforce"


def test_of_equals_the_first_gpu_is_the_root() -> None:
    assert judge(fail(OTHER), fail(MINE), phase="health", job_gpus=None).gpu == 3
    worse = fail(OTHER, severity="fatal")
    assert judge(fail(MINE), worse, phase="health", job_gpus=None).gpu == 5


def test_findings_that_differ_in_nothing_else_are_told_apart_by_their_words() -> None:
    first, second = fail(), fail()
    second.summary = "ECC page retirement"
    assert judge(first, second).words == judge(second, first).words == "ECC page retirement, and 1 more"


def test_what_could_not_be_told_is_no_further_fault() -> None:
    blind = Finding("error", "no answer", check="xid", severity="warning", code="unknown")
    assert judge(fail(), blind).words == "GPU has fallen off the bus"


def test_a_sentence_goes_on_without_its_full_stop() -> None:
    told = fail()
    told.summary = "Lost."
    assert judge(told, fail(OTHER)).words == "Lost, and 1 more"


def test_a_decision_without_a_code_names_its_check() -> None:
    assert judge(fail(code="")).code == "xid"


def test_words_from_outside_are_one_plain_line() -> None:
    told = fail()
    told.summary = "name='\x1b[31m'\n" + "x" * 500
    words = judge(told).words
    assert words.isascii()
    assert words.isprintable()
    assert len(words) <= 160


def test_the_journal_gets_all_that_tells_it_apart() -> None:
    told = judge(fail(OTHER, age_s=9999), fail()).to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["finding"] == fail().to_dict()
    brief = {"check": "xid", "outcome": "fail", "code": "xid79", "gpu": 5, "gpu_uuid": OTHER}
    assert told["others"] == told["stale"] == [brief]
    assert (told["verdict"], told["gpu"], told["gpu_uuid"]) == (BLOCK, 3, MINE)
    assert judge().to_dict()["finding"] is None


FINDINGS = st.builds(
    Finding,
    st.sampled_from(OUTCOMES),
    st.sampled_from(["seen", "seen again"]),
    code=st.sampled_from(["", "xid79", "hung"]),
    severity=st.sampled_from(["info", "warning", "error", "fatal", "strange"]),
    gpu_uuid=st.sampled_from([None, MINE, OTHER]),
    gpu=st.sampled_from([None, 0, 3]),
    check=st.sampled_from([*CHECKS, "unknown"]),
    evidence=st.fixed_dictionaries(
        {},
        optional={
            "seq": st.none() | st.integers(0, 20) | st.just("x"),
            "mono_us": st.none() | st.integers(NOW - 5_000_000_000, NOW + 5_000_000_000),
        },
    ),
)
RULES = st.dictionaries(
    st.sampled_from(CHECKS),
    st.builds(
        rule,
        st.sampled_from(MODES),
        st.sampled_from(EFFECTS),
        at_most_warn=st.booleans(),
        snoozed_until=st.none() | st.just("2027-01-01T00:00:00Z"),
        limits=st.just({}) | st.fixed_dictionaries({"fresh_s": st.integers(1, 10_000)}),
    ),
)
JOB_GPUS = st.none() | st.frozensets(st.sampled_from([MINE, OTHER]))
LISTS = st.lists(FINDINGS, max_size=6)


@given(st.sampled_from(PHASES), LISTS, RULES, JOB_GPUS, st.data())
def test_in_whichever_order_findings_come_the_decision_is_the_same(
    phase: str,
    found: list[Finding],
    rules: dict[str, Rule],
    job_gpus: frozenset[str] | None,
    data: st.DataObject,
) -> None:
    told: dict[str, Any] = {"job_gpus": job_gpus, "covered_seq": 7, "now_mono_us": NOW}
    first = decide(phase, found, rules, **told)
    assert VERDICTS.index(first.verdict) <= VERDICTS.index(first.would)
    shuffled = data.draw(st.permutations(found))
    second = decide(phase, shuffled, rules, **told)
    same = ("verdict", "would", "mode", "rule", "code", "gpu", "words")
    assert [getattr(first, key) for key in same] == [getattr(second, key) for key in same]


@given(st.sampled_from(PHASES), LISTS, RULES, JOB_GPUS, st.integers(0, 20))
def test_a_drain_rests_on_a_fresh_fail_that_the_policy_enforces(
    phase: str, found: list[Finding], rules: dict[str, Rule], job_gpus: frozenset[str] | None, covered: int
) -> None:
    decision = decide(phase, found, rules, job_gpus=job_gpus, covered_seq=covered, now_mono_us=NOW)
    if decision.verdict not in {DRAIN, BLOCK}:
        return
    root = decision.finding
    assert root is not None
    assert decision.findings[0] is root
    assert root.outcome == "fail"
    assert root not in decision.stale
    told = rules[root.check]
    assert (told.mode, told.snoozed_until, told.at_most_warn, decision.mode) == (
        "enforce",
        None,
        False,
        "enforce",
    )
    assert told.effect in EFFECTS[EFFECTS.index(decision.verdict) :]
    seq = root.evidence.get("seq")
    age_s = abs(NOW - root.evidence["mono_us"]) / 1e6
    assert age_s <= (told.limits.get("fresh_s", 3600) if isinstance(seq, int) else 60)
    assert not isinstance(seq, int) or seq > covered
    if decision.verdict == BLOCK:
        assert phase == "prolog"
        assert root.gpu_uuid in (job_gpus or ()) or (root.gpu_uuid is None and root.gpu is None)


@given(st.sampled_from(PHASES), LISTS, RULES, JOB_GPUS)
def test_would_is_the_verdict_under_full_enforcement(
    phase: str, found: list[Finding], rules: dict[str, Rule], job_gpus: frozenset[str] | None
) -> None:
    told: dict[str, Any] = {"job_gpus": job_gpus, "covered_seq": 0, "now_mono_us": NOW}
    would = decide(phase, found, rules, **told).would
    full = {
        check: rule(
            "off" if one.mode == "off" else "enforce",
            one.effect,
            limits=one.limits,
            at_most_warn=one.at_most_warn,
        )
        for check, one in rules.items()
    }
    assert decide(phase, found, full, **told).verdict == would


@given(LISTS, RULES)
def test_a_fresh_install_drains_nothing(found: list[Finding], rules: dict[str, Rule]) -> None:
    shadow = {check: rule("shadow", one.effect) for check, one in rules.items()}
    decision = decide("prolog", found, shadow, job_gpus=frozenset({MINE}), covered_seq=0, now_mono_us=NOW)
    assert decision.verdict in {ALLOW, RECORD}
