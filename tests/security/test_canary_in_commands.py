"""Whatever a provider does, nothing the commands write has a secret in it."""

import sys

import pytest

from moakit import cli
from moakit.models.discover import PROBE
from tests.models.scripted import answer
from tests.processes import LOCAL, moa
from tests.security.canaries import HEADER, PROVIDER_KEY, SERVER_KEY, leaks, userinfo
from tests.security.echoing import echoing
from tests.security.faults import every_fault
from tests.upstream import Upstream

CONFIG = """
default = "panel"

[providers.lab]
base_url = "{lab}"
api_key = "${{LAB_KEY}}"
headers = {{ a = "{header}" }}
price = 0

[providers.door]
base_url = "{door}"
headers = {{ a = "${{HEADER}}" }}

[ensembles.panel]
proposers = ["lab/faulty", "door/faulty", "door/one"]
timeout = 0.3
aggregator = "lab/lead"
retries = 0

[ensembles.tail]
proposers = ["lab/one", "door/one"]
aggregator = {{ model = "door/faulty", timeout = 0.3 }}
retries = 0

[server]
keys = ["${{MOA_SERVER_KEY}}", "{server}-too"]
"""
ECHO = f'{{"error": {{"message": "Bearer {PROVIDER_KEY}, a: {HEADER}"}}}}'.encode()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {**LOCAL, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    keys = {"LAB_KEY": PROVIDER_KEY, "MOA_SERVER_KEY": SERVER_KEY, "HEADER": HEADER}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
    return tmp_path


def configure(home, lab, door=None):
    text = CONFIG.format(lab=lab, door=userinfo(door or lab), header=HEADER, server=SERVER_KEY)
    (home / "moa.toml").write_text(text)


def run(monkeypatch, *arguments):
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["moa", *arguments])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_asking_tells_no_secret_whatever_the_fault(home, monkeypatch, capfd, caplog):
    caplog.set_level("DEBUG")
    seen, codes = {}, set()
    with Upstream.in_thread() as up:
        configure(home, up.base_url)
        for fault in every_fault():
            up.behaves["faulty"] = fault
            for way in (["-e", "panel"], ["-e", "tail", "--json"]):
                codes.add(run(monkeypatch, "ask", *way, "hi"))
                if found := leaks(*capfd.readouterr()):
                    seen[fault, *way] = found
        sent = [call.headers for call in up.calls]
    assert not seen
    assert not leaks(caplog.text)
    assert codes == {0, 1}
    assert leaks(*sent) >= {PROVIDER_KEY[:8], HEADER[:8]}


@pytest.mark.parametrize("upstream", ["sound", "refusing", "echoing", "broken", "closed"])
def test_looking_tells_no_secret(home, monkeypatch, capfd, upstream):
    broken = b"HTTP/1.1 200 OK\r\n" + HEADER.encode() + b" " + PROVIDER_KEY.encode() + b"\r\n\r\n"
    with (
        Upstream.in_thread(keys=None if upstream == "sound" else {"other"}) as up,
        echoing(broken if upstream == "broken" else answer(ECHO, status="400 No")) as mirror,
    ):
        addresses = {"echoing": mirror, "broken": mirror, "closed": "http://127.0.0.1:1/v1"}
        configure(home, addresses.get(upstream, up.base_url), up.base_url)
        codes = {}
        for command in (
            ["doctor"], ["models"], ["models", "--all"], ["show"], ["show", "tail"], ["show", "--json"],
            ["ask", "hi"], ["ask", "--json", "hi"], ["ask", "-e", "nobody", "hi"], ["show", SERVER_KEY[:3]],
            ["ask", "-p", "lab/one", "-a", "nowhere/x", "hi"], ["serve", "--host", "300.1.1.1"],
        ):  # fmt: skip
            codes[" ".join(command)] = run(monkeypatch, *command)
            assert not leaks(*capfd.readouterr()), command
    assert codes["show"] == 0
    assert upstream == "sound" or codes["doctor"] == 1


@pytest.mark.parametrize(
    "line",
    [
        f'api_key = "{PROVIDER_KEY}',
        f'api_key = ["{PROVIDER_KEY}"]',
        f'api_kee = "{PROVIDER_KEY}"',
        f'headers = "{HEADER}"',
        f'headers = {{ a = ["{HEADER}"] }}',
        f'base_url = "x{PROVIDER_KEY}@host"',
        f'price = "{PROVIDER_KEY}"',
        f"api_key = {PROVIDER_KEY}",
    ],
)
def test_a_wrong_configuration_is_told_without_its_secrets(home, monkeypatch, capfd, line):
    (home / "moa.toml").write_text(
        f'[providers.lab]\nbase_url = "http://h/v1"\n{line}\n[ensembles.x]\nmodel = "lab/x"\n'.replace(
            'base_url = "http://h/v1"\nbase_url', "base_url"
        )
    )
    assert run(monkeypatch, "show") == 2
    shown = capfd.readouterr()
    assert "error: " in shown.err
    assert not leaks(*shown)


def test_a_process_of_its_own_in_development_mode_tells_none_either(home):
    with echoing(answer(ECHO, status="401 No")) as mirror:
        configure(home, mirror)
        told = ""
        for command in (["ask", "hi"], ["doctor"], ["models", "--all"]):
            done = moa(*command, home=home, PYTHONDEVMODE="1", PYTHONASYNCIODEBUG="1", timeout=30 + PROBE)
            assert done.returncode in (0, 1), done.stderr
            assert not leaks(done.stdout, done.stderr)
            told = told + done.stdout + done.stderr
        assert "***" in told
