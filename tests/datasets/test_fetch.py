"""Downloads, from a server of our own: checked, unpacked, and only when somebody asks."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from skmmrr.datasets import _fetch, fetch


@pytest.fixture
def home_page(tmp_path):
    """A folder that is served, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def serve(monkeypatch, home_page, place, name, content, md5=None):
    folder, address = home_page
    (folder / name).write_bytes(content)
    md5 = md5 or hashlib.md5(content).hexdigest()
    monkeypatch.setitem(_fetch._SETS, "mnist", (place, address, {name: md5}))


def test_fetches_once(monkeypatch, home_page, tmp_path):
    serve(monkeypatch, home_page, "mnist", "a.gz", b"digits")
    home = fetch("mnist", data_home=tmp_path / "home")
    assert (home / "mnist" / "a.gz").read_bytes() == b"digits"
    (home_page[0] / "a.gz").unlink()
    fetch("mnist", data_home=tmp_path / "home")


def test_unpacks(monkeypatch, home_page, tmp_path):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("batches/test_batch")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    serve(monkeypatch, home_page, "", "c.tar.gz", archive.getvalue())
    home = fetch("mnist", data_home=tmp_path / "home")
    assert (home / "batches" / "test_batch").read_bytes() == b"abc"


def test_a_wrong_checksum_is_refused_and_not_kept(monkeypatch, home_page, tmp_path):
    serve(monkeypatch, home_page, "mnist", "a.gz", b"altered", md5="0" * 32)
    with pytest.raises(ValueError, match="hash"):
        fetch("mnist", data_home=tmp_path / "home")
    assert not list((tmp_path / "home" / "mnist").glob("*"))


def test_without_pooch(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(ImportError, match=r"skmmrr\[benchmark\]"):
        fetch("mnist", data_home=tmp_path)
