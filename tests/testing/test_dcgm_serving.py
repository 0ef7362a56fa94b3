"""The simulator over HTTP: many exporters in one process, cut and slow ones, the command, promtool and Prometheus."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.testing.dcgm import Simulator
from aami_hpc.testing.dcgm_fields import ALL_COUNTERS
from tests.lab.require import unavailable
from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.lab.gpu_fixtures import MakeDcgm
    from tests.lab.ledger import Ledger

_SECONDS = 20


def _get(target: str, path: str = "/metrics") -> tuple[int, str]:
    connection = http.client.HTTPConnection(target, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_it_answers_as_the_exporter_does(dcgm_simulator: MakeDcgm) -> None:
    target = dcgm_simulator(1).targets["gpu-001"]
    connection = http.client.HTTPConnection(target, timeout=_SECONDS)
    for _ in range(2):  # one connection serves several scrapes
        connection.request("GET", "/metrics?name=x", headers={"Accept": "application/openmetrics-text"})
        answer = connection.getresponse()
        assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
        assert answer.read().startswith(b"# HELP aami_simulated These GPUs do not exist")
    connection.close()
    assert _get(target, "/health") == (200, "KO")
    assert _get(target, "/nothing") == (404, "404 page not found\n")
    assert _get(target, "/")[0] == 200


def test_nonsense_gets_a_refusal_and_silence_no_thread(dcgm_simulator: MakeDcgm) -> None:
    host, port = dcgm_simulator(1).targets["gpu-001"].split(":")
    for sent in (b"\x00\xff\r\n\r\n", b"GET /metrics\r\n\r\n"):
        with socket.create_connection((host, int(port)), _SECONDS) as one:
            one.sendall(sent)
            assert one.recv(64).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection((host, int(port)), _SECONDS) as one:
        one.sendall(b"A" * 40_000)  # a head without end
        assert one.recv(64) == b""
    assert _get(f"{host}:{port}")[0] == 200


def test_faults_over_http(dcgm_simulator: MakeDcgm) -> None:
    serving = dcgm_simulator(3)
    serving.simulator.inject("gpu-001", None, "down")
    serving.simulator.inject("gpu-002", None, "failing")
    serving.simulator.inject("gpu-003", None, "slow", seconds=0.5)
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        _get(serving.targets["gpu-001"])
    assert _get(serving.targets["gpu-002"]) == (500, "internal server error\n")
    started = time.monotonic()
    assert _get(serving.targets["gpu-003"])[0] == 200
    assert time.monotonic() - started >= 0.5


def test_two_hundred_nodes_in_one_process(dcgm_simulator: MakeDcgm) -> None:
    serving = dcgm_simulator(200, counters=ALL_COUNTERS)
    assert len(set(serving.targets.values())) == 200
    pages = {node: _get(target)[1] for node, target in serving.targets.items()}
    assert all(
        f'Hostname="{node}"' in page and page.count("DCGM_FI_DEV_GPU_TEMP{") == 8
        for node, page in pages.items()
    )


def test_one_address_per_node() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.11", 0))
        port = holder.getsockname()[1]
    with Simulator(["a", "b"]).serve("127.0.0.11", port, spread="addresses") as serving:
        assert serving.targets == {"a": f"127.0.0.11:{port}", "b": f"127.0.0.12:{port}"}
        assert 'Hostname="b"' in _get(serving.targets["b"])[1]
        with pytest.raises(OSError, match="in use"):
            Simulator(["c"]).serve("127.0.0.12", port)
    with pytest.raises(ConnectionRefusedError):
        _get(serving.targets["a"])
    Simulator(["a"]).serve("127.0.0.11", port).close()  # free again


def test_the_command(tmp_path: Path) -> None:
    timeline = tmp_path / "faults.yaml"
    timeline.write_text("- {at: 0, node: b, gpu: 2, fault: xid, code: 79}\n")
    counters = tmp_path / "counters.csv"
    counters.write_text("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n")
    argv = [sys.executable, "-m", "aami_hpc.testing.dcgm", "--nodes", "a,b", "--port", "0", "--gpus", "4"]
    process = subprocess.Popen(
        [*argv, "--faults", timeline, "--counters", counters],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(2)]
        assert [line.partition(": http")[0] for line in lines] == [
            "simulated dcgm-exporter of a",
            "simulated dcgm-exporter of b",
        ]
        page = _get(urllib.parse.urlsplit(lines[1].split()[-1]).netloc)[1]
        assert page.count("DCGM_FI_DEV_GPU_TEMP{") == 3
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--shape", "H900"], "no 'H900'"),
        (["--faults", "{}/none.yaml"], "none.yaml"),
        (["--faults", "{}/map.yaml"], "not a list of faults"),
        (["--faults", "{}/torn.yaml"], "is not YAML"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "map.yaml").write_text("fault: xid\n")
    (tmp_path / "torn.yaml").write_text("- {at: 0\n")
    argv = [sys.executable, "-m", "aami_hpc.testing.dcgm", "--port", "0"]
    done = subprocess.run(
        [*argv, *(part.format(tmp_path) for part in arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The folder with Debian's prometheus and promtool: installed, or unpacked from the package without installing it."""
    found = shutil.which("prometheus")
    if found and shutil.which("promtool", path=str(Path(found).parent)):
        return Path(found).parent
    folder = Path(os.environ.get("AAMI_LAB_CACHE", "/var/cache/aami-lab")) / "prometheus"
    if not (folder / "usr/bin/promtool").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        steps = (["apt-get", "download", "prometheus"], ["sh", "-c", "dpkg -x prometheus_*.deb ."])
        for step in steps:
            done = subprocess.run(step, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0:
                unavailable(f"no prometheus: {step[0]} said {done.stderr.strip()[-200:]}")
    if not (folder / "usr/bin/promtool").is_file():
        unavailable("no promtool in this system's prometheus package")
    return folder / "usr/bin"


@pytest.mark.lab
def test_promtool_accepts_every_page(prometheus: Path) -> None:
    for exporter in ("3.3.5-3.4.1", "main"):
        page = Simulator(1, counters=ALL_COUNTERS, exporter=exporter).render("gpu-001")
        done = subprocess.run(
            [prometheus / "promtool", "check", "metrics"],
            input=page,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        complaints = [line for line in (done.stdout + done.stderr).splitlines() if line]
        # The real names have no `_total` and no lower case: promtool's remarks about style, not about the format.
        assert done.returncode in {0, 3}, complaints
        assert not [line for line in complaints if "error while linting" in line or "parsing" in line]


@pytest.mark.lab
def test_a_real_prometheus_scrapes_it(prometheus: Path, lab_ledger: Ledger, dcgm_simulator: MakeDcgm) -> None:
    serving = dcgm_simulator(2)
    with lab_ledger.inner("prometheus") as own:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{holder.getsockname()[1]}"
        targets = [
            {"targets": [target], "labels": {"node": node}} for node, target in serving.targets.items()
        ]
        config = own.folder / "prometheus.yml"
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms"},
                    "scrape_configs": [{"job_name": "dcgm", "static_configs": targets}],
                }
            )
        )
        own.start(
            [prometheus / "prometheus", f"--config.file={config}", f"--web.listen-address={address}",
             f"--storage.tsdb.path={own.folder / 'data'}"],
            log="prometheus.log",
        )  # fmt: skip
        _expect(address, "count(DCGM_FI_DEV_GPU_TEMP)", "16")
        serving.simulator.inject("gpu-001", 3, "xid", code=79)
        _expect(address, "count(DCGM_FI_DEV_GPU_TEMP)", "15")
        _expect(address, 'max(DCGM_FI_DEV_XID_ERRORS{node="gpu-001",err_code="79"})', "79")
        serving.simulator.inject("gpu-002", None, "down")
        _expect(address, 'up{node="gpu-002"}', "0")


def _expect(address: str, query: str, value: str) -> None:
    until(
        lambda: _ask(address, query) == value,
        f"{query} to be {value}",
        timeout=60,
        evidence=lambda: str(_ask(address, query)),
    )


def _ask(address: str, query: str) -> Any:
    try:
        _, body = _get(address, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        return json.loads(body)["data"]["result"][0]["value"][1]
    except (OSError, ValueError, LookupError) as error:
        return error
