"""Pages of results on the loopback: these pages, to this machine, and nothing else."""

import http.client
import threading

import pytest
from phantom_results import write_phantom_result

from gliofield.errors import OutputError, ParameterError
from gliofield.report.page_server import PageServer
from gliofield.report.report_page import ViewerSource


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phantom_result(tmp_path_factory.mktemp("server"), name="A & B")


def answers(folders, *asked):
    """Status, type and text of some requests (path, host)."""
    with PageServer(folders, viewer=ViewerSource(reason="none")) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            found = []
            for path, host in asked:
                connection = http.client.HTTPConnection("127.0.0.1", int(server.address.split(":")[2][:-1]), timeout=5)
                connection.request("GET", path, headers={"Host": host} if host else {})
                answer = connection.getresponse()
                found.append((answer.status, answer.getheader("Content-Type"), answer.read().decode()))
                connection.close()
            return found
        finally:
            server.close()
            thread.join()


def test_one_result_is_its_page(folder):
    """At the root."""
    ((status, kind, text),) = answers([folder], ("/", None))

    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "<h1>A &amp; B</h1>" in text


def test_several_stand_side_by_side(folder):
    """A frame each, whose page is at its number."""
    index, second = answers([folder, folder], ("/", None), ("/2", None))

    assert index[2].count("<iframe") == 2
    assert 'title="A &amp; B"' in index[2]
    assert "<h1>A &amp; B</h1>" in second[2]


def test_nothing_else_is_served(folder):
    """No file by its path, and nothing to a page that comes by another name of this machine."""
    found = answers([folder], ("/quality.json", None), ("/../../etc/passwd", None), ("/", "evil.example:80"))

    assert [status for status, _, _ in found] == [404, 404, 404]


def test_what_cannot_be_served_is_told_at_once(folder, tmp_path):
    """A folder that is no result, a port that is taken."""
    with pytest.raises(ParameterError, match="is no result"):
        PageServer([tmp_path], viewer=ViewerSource())
    with PageServer([folder], viewer=ViewerSource()) as server:
        port = int(server.address.split(":")[2][:-1])
        with pytest.raises(OutputError, match=f"port {port} cannot be used"):
            PageServer([folder], viewer=ViewerSource(), port=port)
