"""What is installed: our own files and nothing that runs by itself, from packages that are pinned by hash."""

import base64
import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without network and without isolation, as `make` installs the package."""
    pytest.importorskip("hatchling", reason="the build group is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    environ = {**os.environ, "SOURCE_DATE_EPOCH": "1600000000"}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, env=environ, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


def info(wheel, name):
    (found,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(found).decode()


def test_the_wheel_holds_our_files_and_nothing_else(wheel):
    source = ROOT / "src"
    files = {
        file for file in (source / "moakit").rglob("*") if file.is_file() and "__pycache__" not in file.parts
    }
    ours = {str(file.relative_to(source)).replace(os.sep, "/") for file in files}
    about = {path for path in wheel.namelist() if ".dist-info/" in path}
    assert set(wheel.namelist()) - about == ours
    assert {path.partition(".dist-info/")[2] for path in about} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE",
    }  # fmt: skip
    assert all(re.fullmatch(r"moakit/[\w/]+\.(py|typed)", path) for path in ours)


def test_nothing_of_it_runs_by_itself(wheel):
    names = wheel.namelist()
    assert not [
        name for name in names if name.endswith((".pth", ".so", ".pyd", ".dll", ".exe", ".sh", ".egg-link"))
    ]
    assert not [name for name in names if name.startswith(("/", "..")) or ".data/" in name or "\\" in name]
    assert not [
        name for name in names if re.search(r"sitecustomize|usercustomize|setup\.py|conftest|test", name)
    ]
    assert info(wheel, "entry_points.txt").split() == ["[console_scripts]", "moa", "=", "moakit.cli:main"]
    assert "Root-Is-Purelib: true" in info(wheel, "WHEEL")
    for entry in wheel.infolist():
        assert (entry.external_attr >> 16) & 0o170000 in (0, 0o100000), f"{entry.filename} is no plain file"
        assert not (entry.external_attr >> 16) & 0o7000


def test_every_file_is_the_one_that_is_recorded(wheel):
    recorded = {name: (digest, size) for name, digest, size in csv.reader(io.StringIO(info(wheel, "RECORD")))}
    assert recorded.keys() == set(wheel.namelist())
    for name, (digest, size) in recorded.items():
        if name.endswith(".dist-info/RECORD"):
            continue
        data = wheel.read(name)
        expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert (digest, int(size)) == (f"sha256={expected}", len(data))
        if name.startswith("moakit/"):
            assert data == (ROOT / "src" / name).read_bytes()


def test_building_is_hatchlings_and_runs_no_code_of_ours():
    assert PROJECT["build-system"] == {"requires": ["hatchling>=1.27"], "build-backend": "hatchling.build"}
    assert not [
        name for name in ("setup.py", "setup.cfg", "hatch_build.py", "MANIFEST.in") if (ROOT / name).exists()
    ]
    hatch = PROJECT["tool"]["hatch"]
    assert hatch == {"build": {"targets": {"wheel": {"packages": ["src/moakit"]}}}}
    assert "dynamic" not in PROJECT["project"]
    assert not list((ROOT / "src").rglob("*.pth"))


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.name)
def test_every_package_is_pinned_by_hash_and_names_no_host(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(
        r"https?:|git\+|file:|@ |^\s*(-i|-f|-e|--index|--extra|--find|--trusted|--no-)", text, re.MULTILINE
    )
    entries = re.split(r"^(?=\S)(?!#)", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 1
    for entry in entries:
        pinned = re.match(r"[a-z0-9][a-z0-9._-]*==[0-9][\w.!+]*( ;[^\\\n]+)? \\\n", entry)
        assert pinned, entry[:80]
        assert re.search(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", entry, re.MULTILINE), entry[:80]


def test_the_locks_agree_with_each_other():
    versions = {}
    for file in REQUIREMENTS:
        # A name may stand there more than once, for one Python each.
        pinned = {}
        for name, version in re.findall(
            r"^([a-z0-9._-]+)==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE
        ):
            pinned.setdefault(name, set()).add(version)
        for name, found in pinned.items():
            assert versions.setdefault(name, found) == found, name


def names(requirements):
    return {re.match(r"[\w.-]+", one)[0].lower() for one in requirements}


def test_the_dependencies_are_those_the_architecture_gives_reasons_for():
    text = (
        (ROOT / "ARCHITECTURE.md")
        .read_text(encoding="utf-8")
        .partition("\n## Dependencies\n")[2]
        .partition("\n## ")[0]
    )
    table = set(re.findall(r"^\| ([\w-]+) \| (?!what)", text, re.MULTILINE)) - {"package"}
    assert names(PROJECT["project"]["dependencies"]) == table
    told = set(re.findall(r"\*\*([\w-]+)\*\*", text))
    extras = PROJECT["project"]["optional-dependencies"]
    assert names(extras["server"]) | names(extras["prices"]) <= told
    development = {
        "openai", "pydantic", "requests", "nbclient", "nbformat", "ipykernel", "playwright", "atheris",
        "schemathesis",
    }  # fmt: skip
    assert told <= names(extras["server"]) | development
    known = {"server", "prices", "all"}
    assert extras.keys() == known, "an extra that ARCHITECTURE.md does not know"


def test_every_direct_dependency_is_locked():
    project = PROJECT["project"]
    locked = {
        file.stem: set(re.findall(r"^([a-z0-9._-]+)==", file.read_text(encoding="utf-8"), re.MULTILINE))
        for file in REQUIREMENTS
    }
    server = names(project["dependencies"]) | names(project["optional-dependencies"]["server"])
    assert server <= locked["server"]
    assert (
        server | names(PROJECT["dependency-groups"]["dev"]) | names(PROJECT["dependency-groups"]["build"])
        <= locked["dev"]
    )
