"""Where the configuration is looked for, and which environment it is read in."""

import os
import sys

import pytest

import moakit
from moakit.config.files import user_file
from moakit.errors import ConfigError, UnknownModel

FILE = '[ensembles.{}]\nmodel = "demo/planner"\n'


def write(path, name):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FILE.format(name))
    return path


def test_the_first_of_option_variable_working_directory_and_user_directory_counts(folder, monkeypatch):
    write(user_file(), "user")
    assert list(moakit.load()) == ["user"]
    write(folder / "moa.toml", "here")
    assert list(moakit.load()) == ["here"]
    monkeypatch.setenv("MOA_CONFIG", str(write(folder / "other" / "named.toml", "named")))
    assert list(moakit.load()) == ["named"]
    assert list(moakit.load(write(folder / "given.toml", "given"))) == ["given"]
    assert list(moakit.load(str(folder / "given.toml"))) == ["given"]


def test_an_empty_variable_names_no_file(folder, monkeypatch):
    monkeypatch.setenv("MOA_CONFIG", "")
    write(folder / "moa.toml", "here")
    assert list(moakit.load()) == ["here"]


def test_a_variable_that_names_no_file_is_an_error_and_nothing_else_is_taken(folder, monkeypatch):
    write(folder / "moa.toml", "here")
    monkeypatch.setenv("MOA_CONFIG", str(folder / "gone.toml"))
    with pytest.raises(ConfigError, match=r"gone\.toml: there is no such file"):
        moakit.load()


@pytest.mark.parametrize(
    ("system", "place"),
    [
        ("linux", ("home", "moakit", "moa.toml")),
        ("darwin", ("home", "Library", "Application Support", "moakit", "moa.toml")),
        ("win32", ("home", "moakit", "moa.toml")),
    ],
)
def test_the_users_directory_is_the_systems_own(folder, monkeypatch, system, place):
    monkeypatch.setattr(sys, "platform", system)
    assert user_file() == folder.joinpath(*place)


def test_without_xdg_it_is_dot_config(folder, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert user_file() == folder / "home" / ".config" / "moakit" / "moa.toml"


KEYED = """
[providers.lab]
base_url = "http://127.0.0.1:1/v1"
api_key = "${LAB_KEY}"
[ensembles.x]
model = "lab/a"
"""


def key(config):
    return config.endpoints["lab"].key()


def test_the_process_environment_wins_over_the_env_files_and_the_working_directorys_over_the_files(
    folder, monkeypatch
):
    there = folder / "there"
    there.mkdir()
    (there / "moa.toml").write_text(KEYED)
    (there / ".env").write_text("LAB_KEY=beside-the-file\n")
    assert key(moakit.load(there / "moa.toml")) == "beside-the-file"
    (folder / ".env").write_text("LAB_KEY=working-directory\n")
    assert key(moakit.load(there / "moa.toml")) == "working-directory"
    monkeypatch.setenv("LAB_KEY", "process")
    assert key(moakit.load(there / "moa.toml")) == "process"


def test_an_env_file_does_not_leak_into_the_process(folder):
    (folder / "moa.toml").write_text(KEYED)
    (folder / ".env").write_text("LAB_KEY=a-secret\n")
    moakit.load()
    assert "LAB_KEY" not in os.environ


def test_an_env_file_that_cannot_be_read_is_an_error_with_its_name(folder):
    (folder / "moa.toml").write_text(FILE.format("x"))
    (folder / ".env").write_bytes(b"KEY=\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"\.env: cannot be read"):
        moakit.load()


def test_an_unknown_ensemble_names_the_nearest_or_all(folder):
    (folder / "moa.toml").write_text(FILE.format("panel"))
    config = moakit.load()
    with pytest.raises(UnknownModel) as caught:
        config["panle"]
    assert caught.value.hint == "did you mean 'panel'?"
    with pytest.raises(UnknownModel) as caught:
        config["zzz"]
    assert caught.value.hint == "there are: panel"
    assert "panel" in config and "zzz" not in config


def test_it_says_where_it_comes_from(folder):
    write(folder / "moa.toml", "x")
    assert repr(moakit.load()) == "Config(x; from moa.toml)"
