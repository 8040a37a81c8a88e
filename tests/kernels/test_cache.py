"""The folder of compiled kernels: what is used, what is refused, and what is left behind."""

import errno
import os
import shlex
import stat

import pytest

from hermite_pinn.cuda.runtime import cache, host
from hermite_pinn.errors import BackendUnavailableError

SEVEN = 'extern "C" int hp_seven() { return 7; }'
PARTS = ["source", "compiler"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The cache folder, of nobody else."""
    chosen = tmp_path / "cache"
    monkeypatch.setenv("HERMITE_PINN_CACHE", str(chosen))
    monkeypatch.setattr(cache, "_private", {})
    for remembered in (cache._say_once, cache._clean, host._any_kept, host.version, host._found, host.function):
        remembered.cache_clear()
    yield chosen
    for remembered in (host._any_kept, host.version, host._found, host.function):
        remembered.cache_clear()


def writer(content=b"library", calls=None):
    def make(path):
        if calls is not None:
            calls.append(path)
        path.write_bytes(content)

    return make


def contents(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.suffix != ".lock"}


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_file_is_made_once_and_a_damaged_one_again(folder, caplog):
    calls = []
    path = cache.cached_file(PARTS, ".so", writer(calls=calls))
    assert cache.cached_file(PARTS, ".so", writer(calls=calls)) == path
    assert len(calls) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for damage in (b"libr", b"something else", b""):
        path.write_bytes(damage)
        assert cache.cached_file(PARTS, ".so", writer(calls=calls)).read_bytes() == b"library"
    assert len(calls) == 4
    assert "damaged" in caplog.text
    path.with_name(path.name + cache.DIGEST).unlink()
    cache.cached_file(PARTS, ".so", writer(calls=calls))
    assert len(calls) == 5


def test_a_complete_cache_is_read_without_a_write(folder, monkeypatch):
    path = cache.cached_file(PARTS, ".so", writer())
    for file in folder.glob("*.lock"):
        file.unlink()
    before = {f.name: f.stat().st_mtime_ns for f in folder.iterdir()}
    monkeypatch.setattr(cache, "_publish", None)
    monkeypatch.setattr(cache, "FileLock", None)
    assert cache.cached_file(PARTS, ".so", writer()) == path
    assert cache.newest_file(PARTS[:1], ".so") == path
    assert {f.name: f.stat().st_mtime_ns for f in folder.iterdir()} == before


@pytest.mark.parametrize("obstacle", ["file", "full", "read-only", "no locks"])
def test_where_nothing_can_be_kept_a_process_has_its_own(folder, obstacle, monkeypatch, caplog):
    publish = cache._publish

    def failing(content, target):
        if target.parent == folder:
            raise OSError(errno.ENOSPC, "No space left on device")
        publish(content, target)

    class NoLock:
        def __init__(self, path):
            pass

        def acquire(self, timeout):
            raise OSError(errno.EROFS, "Read-only file system") if obstacle == "read-only" else NotImplementedError

        def release(self):
            pass

    if obstacle == "file":
        folder.write_text("")
    elif obstacle == "full":
        monkeypatch.setattr(cache, "_publish", failing)
    else:
        monkeypatch.setattr(cache, "FileLock", NoLock)
    calls = []
    path = cache.cached_file(PARTS, ".so", writer(calls=calls))
    assert path.read_bytes() == b"library"
    assert cache.cached_file(PARTS, ".so", writer(calls=calls)) == path
    assert len(calls) == 1
    cache.cached_file(["another", ""], ".so", writer())
    assert (path.parent == folder) == (obstacle == "no locks")
    assert caplog.text.count("HERMITE_PINN_CACHE") == (0 if obstacle == "no locks" else 1)


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o702])
def test_a_folder_that_others_can_write_is_refused(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(BackendUnavailableError, match="chmod go-w"):
        cache.cached_file(PARTS, ".so", writer())
    folder.chmod(0o755)
    cache.cached_file(PARTS, ".so", writer())


def test_a_folder_of_another_user_is_refused(folder, monkeypatch):
    folder.mkdir()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    if own:
        with pytest.raises(BackendUnavailableError, match="belongs to the user"):
            cache.cached_file(PARTS, ".so", writer())
    else:
        cache.cached_file(PARTS, ".so", writer())  # what belongs to root is as trustworthy as the system
        os.chown(folder, 12345, -1)
        with pytest.raises(BackendUnavailableError, match="12345"):
            cache.cached_file(PARTS, ".so", writer())


def test_the_place_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("HERMITE_PINN_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_folder() == tmp_path / ".cache" / "hermite_pinn"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "hermite_pinn"
    monkeypatch.setenv("HERMITE_PINN_CACHE", str(tmp_path / "with space, ü and\nline"))
    assert cache.cache_folder() == tmp_path / "with space, ü and\nline"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERMITE_PINN_CACHE", ".")
    assert cache.cache_folder().is_absolute()


@pytest.mark.parametrize("error", [KeyboardInterrupt, BackendUnavailableError])
def test_what_fails_leaves_nothing(folder, error):
    def make(path):
        path.write_bytes(b"half")
        raise error("stop")

    with pytest.raises(error):
        cache.cached_file(PARTS, ".so", make)
    assert contents(folder) == {}
    assert cache.cached_file(PARTS, ".so", writer()).read_bytes() == b"library"


def test_what_killed_processes_left_is_removed(folder):
    folder.mkdir(mode=0o700)
    old = [folder / "tmpabcdefgh", folder / "x.so123.partial"]
    old[0].mkdir()
    old[1].write_bytes(b"half")
    fresh = folder / "y.so456.partial"
    fresh.write_bytes(b"half")
    for path in old:
        os.utime(path, (0, 0))
    cache.cached_file(PARTS, ".so", writer())
    assert fresh.exists()
    assert not any(path.exists() for path in old)


needs_compiler = pytest.mark.skipif(not host.available(), reason="no C++ compiler")


@needs_compiler
def test_compilers_with_arguments_and_after_they_are_gone(folder, tmp_path, monkeypatch):
    command = host.compiler()
    wrapper = script(tmp_path / "through", 'exec "$@"')
    spaced = tmp_path / "a folder"
    spaced.mkdir()
    german = script(spaced / "c++", f'echo "Warnung: \344" >&2; exec {shlex.join(command)} "$@"')
    for choice in (f"{shlex.quote(str(wrapper))} {shlex.join(command)}", f"{shlex.join(command)} -O1", str(german)):
        monkeypatch.setenv("CXX", choice)
        host.function.cache_clear()
        assert host.function(SEVEN, "hp_seven", "")() == 7
    monkeypatch.setenv("CXX", "/no/such/compiler")
    assert host.available()
    before = contents(folder)
    host.function.cache_clear()
    assert host.function(SEVEN, "hp_seven", "")() == 7
    assert contents(folder) == before
    with pytest.raises(BackendUnavailableError, match="CXX"):
        host.compile_source("int another;")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 1", "exit status 1"),
        ("exit 0", "made no library"),
        ("exec sleep 1000", "did not finish"),
        ("sleep 1000 & wait", "did not finish"),
    ],
)
def test_compilers_that_do_not_work_are_errors(folder, tmp_path, monkeypatch, text, said):
    monkeypatch.setattr(host, "PATIENCE", 0.3)
    monkeypatch.setattr(host, "LONGEST", 0.6)
    monkeypatch.setenv("CXX", str(script(tmp_path / "broken", f'test "$1" = --version && exit 0\n{text}')))
    with pytest.raises(BackendUnavailableError, match=said):
        host.compile_source(SEVEN)
    assert contents(folder) == {}


@needs_compiler
def test_a_full_disk_for_temporary_files_is_told(folder, tmp_path, monkeypatch):
    full = script(tmp_path / "full", 'test "$1" = --version && exit 0\necho "x: No space left on device" >&2; exit 1')
    monkeypatch.setenv("CXX", str(full))
    with pytest.raises(BackendUnavailableError, match="make room"):
        host.compile_source(SEVEN)


@needs_compiler
def test_a_foreign_library_is_made_again(folder):
    path = host.compile_source(SEVEN)
    cache._publish(b"this is no library", path)
    assert host.function(SEVEN, "hp_seven", "")() == 7
