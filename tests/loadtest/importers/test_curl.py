"""A curl command line becomes the request that curl would send."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.engine.prepared import prepare
from keiko_perf.loadtest.importers import from_curl
from keiko_perf.loadtest.plan import Plan


def test_a_line_as_a_browser_copies_it():
    imported = from_curl(
        "curl 'https://shop.example.com:8443/api/cart?x=1' \\\n"
        "  -X 'PUT' \\\n"
        "  -H 'Content-Type: application/json' -H 'Accept: */*' \\\n"
        "  -b 'sid=1; theme=dark' --compressed --insecure \\\n"
        '  --data-raw \'{"id": 7, "note": "it\'\\\'\'s"}\''
    )
    (step,) = imported.steps
    assert imported.origin == "https://shop.example.com:8443"
    assert not imported.verify
    assert (step.method, step.path, step.name) == ("PUT", "/api/cart?x=1", "PUT /api/cart")
    assert step.body == b'{"id": 7, "note": "it\'s"}'
    assert step.headers == {
        "content-type": "application/json",
        "accept": "*/*",
        "cookie": "sid=1; theme=dark",
        "accept-encoding": "gzip",
    }


SENT_ALIKE = [
    "curl URL",
    "curl -s URL/a?b=c",
    "curl -I URL",
    "curl URL -d a=b -d c=d",
    "curl -XDELETE URL/items/1",
    "curl URL -H'X-A: 1' -HX-B:2",
    "curl -G URL/s?x=1 -d q=a --data-urlencode 'r=a b&c'",
    "curl URL --data-urlencode 'a b' --data-urlencode '=c d'",
    """curl --json '{"a": [1]}' URL""",
    "curl --json '{}' -H 'Accept: text/plain' URL",
    "curl -u me:secret URL",
    "curl -sSfb a=b -A mine -e http://from URL",
    "curl -X PATCH URL -d '{}' -H 'Content-Type: application/json' --compressed",
    "curl URL -d x -H 'Content-Type:'",
    "curl --url URL/z --data-raw @notafile",
    "curl -L -k -i -v --connect-timeout 5 -o /dev/null URL",
]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl to compare with")
@pytest.mark.parametrize("command", SENT_ALIKE)
def test_what_is_sent_is_what_curl_sends(command):
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle(self):
            self.close_connection = True
            self.handle_one_request()

        def __getattr__(self, name):
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.append((self.command, self.path, headers, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        command = command.replace("URL", f"http://127.0.0.1:{server.server_port}")
        subprocess.run(command, shell=True, check=True, capture_output=True, timeout=20)  # noqa: S602
        thread.join()
    method, path, headers, body = seen[0]
    imported = from_curl(command)
    plan = Plan(base_url=imported.origin, steps=imported.steps, duration_s=1)
    ((request,),) = prepare(plan)
    ours = {name.decode(): value.decode() for name, value in request.headers}
    for told in (ours, headers):
        told["accept-encoding"] = told.get("accept-encoding", "").partition(",")[0]
        if told.get("user-agent", "").startswith(("curl", "keiko")):
            del told["user-agent"]
    if headers["accept-encoding"] == "deflate":  # curl names what it was built with
        headers["accept-encoding"] = "gzip"
    assert (request.method, request.path, request.body) == (method, path, body)
    assert ours == headers


REFUSED = [
    ("wget http://a", "none of curl"),
    ("", "none of curl"),
    ("curl", "0 URLs"),
    ("curl http://a http://b", "2 URLs"),
    ("curl 'http://a", "cannot be read"),
    ("curl http://a -d @file.json", "reads the body from file.json"),
    ("curl http://a --json @-", "reads the body from -"),
    ("curl http://a --data-urlencode a@file", "reads the body from file"),
    ("curl http://a -F file=@x", "the option -F of curl is not known"),
    ("curl http://a --proxy x", "the option --proxy of curl is not known"),
    ("curl http://a -b cookies.txt", "the cookies are in a file"),
    ("curl http://me:secret@a/", "holds a user or a password"),
    ("curl ftp://a", "no http or https URL"),
    ("curl http://[a", "cannot be read"),
    ("curl http://a:port/", "cannot be read"),
    ("curl http://a -H", "lacks its value"),
    ("curl http://a -H secret", "a header without a colon"),
]


@pytest.mark.parametrize(("command", "reason"), REFUSED)
def test_what_cannot_be_sent_alike_is_refused(command, reason):
    with pytest.raises(UsageError, match=reason) as refused:
        from_curl(command)
    assert "secret" not in str(refused.value)


def test_braces_in_a_path_are_no_template():
    (step,) = from_curl("curl -g 'http://a/x/{id}?y={z}'").steps
    assert list(step.paths()) == ["/x/%7Bid%7D?y=%7Bz%7D"]
