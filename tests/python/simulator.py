"""The simulator as the scenarios see it: its controls, its log, and plain HTTP to it."""

import json
import socket
import urllib.error
import urllib.request

# Redirects and proxies would hide what the simulator itself says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def resolve_localhost_names():
    """Makes every name below `localhost` this machine, as RFC 6761 asks and not every libc does.

    Virtual-hosted addressing needs a name for each bucket. The SDKs build URLs, Host headers and
    signatures as ever: only the look-up is answered here.
    """
    ask = socket.getaddrinfo

    def answer(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        return ask("127.0.0.1" if name and name.endswith(".localhost") else host, *args, **kwargs)

    socket.getaddrinfo = answer


class Answer:
    """What plain HTTP brought back."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"Answer({self.status}, {dict(self.headers)}, {self.body[:2000]!r})"


def fetch(url, method="GET", body=None, headers=None):
    """One request by the standard library, which signs nothing."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with OPENER.open(request, timeout=30) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Simulator:
    """The controls below `/-/sim/`."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def requests(self):
        """What has been asked since the log was last cleared."""
        return self._order("GET", "requests")

    def forget_requests(self):
        self._order("DELETE", "requests")

    def fault(self, spec):
        self._order("POST", "faults", {"spec": spec})

    def clear_faults(self):
        self._order("DELETE", "faults")

    def set_clock(self, seconds_ahead):
        self._order("POST", "clock", {"offset_seconds": seconds_ahead})

    def _order(self, method, name, value=None):
        body = None if value is None else json.dumps(value).encode()
        headers = {"Content-Type": "application/json"}
        answer = fetch(f"{self.endpoint}/-/sim/{name}", method, body, headers)
        assert answer.status == 200, answer
        return json.loads(answer.body)
