"""Signs requests with both SDKs at a given time: one JSON object a line in, one out.

In: method, bucket, key, query (pairs, decoded), headers (pairs), additional (names), time and expires
(seconds), region, id, secret, token. Out, for each of the versions and forms: what either SDK makes
of it, as text, or its error.
"""
import datetime
import json
import sys
import types
from urllib.parse import quote, unquote, urlsplit

import alibabacloud_oss_v2 as v2
import oss2.auth
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer import SignerV1, SignerV4
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from requests.structures import CaseInsensitiveDict


class Clock:
    """Stands in for what oss2 asks for the time."""

    def __init__(self):
        self.seconds = 0

    def time(self):
        return self.seconds

    def utcnow(self):
        return datetime.datetime.fromtimestamp(self.seconds, datetime.timezone.utc).replace(tzinfo=None)


CLOCK = Clock()
oss2.auth.time = CLOCK
oss2.auth.datetime = CLOCK
oss2.auth.utils.http_date = lambda timeval=None: CLOCK.utcnow().strftime("%a, %d %b %Y %H:%M:%S GMT")


def query_of(url):
    """The parameters of a URL, decoded, in order of their names."""
    pairs = [pair.partition("=") for pair in urlsplit(url).query.split("&") if pair]
    return sorted([unquote(name), unquote(value)] for name, _, value in pairs)


def with_oss2(case, version, form):
    provider = oss2.auth.StsAuth(case["id"], case["secret"], case["token"] or "", version)
    request = types.SimpleNamespace(
        method=case["method"],
        url="https://h/k",
        params=dict(case["query"]),
        headers=CaseInsensitiveDict(case["headers"]),
        region=case["region"],
        cloudbox_id=None,
        product="oss",
    )
    CLOCK.seconds = case["time"]
    more = [set(case["additional"])] if version == "v4" else []
    auth = provider._StsAuth__auth
    if form == "query":
        return query_of(auth._sign_url(request, case["bucket"], case["key"], case["expires"], *more))
    # This one takes names of headers that are not there.
    more = [{name for name in names if name in request.headers} for names in more]
    auth._sign_request(request, case["bucket"], case["key"], *more)
    parts = request.headers["authorization"].replace(", ", ",").split(",")
    return sorted(parts)


def with_v2(case, version, form):
    query = "&".join(
        quote(name, safe="") + ("=" + quote(value, safe="") if value else "")
        for name, value in case["query"]
    )
    url = "https://h/" + quote(case["key"]) + ("?" + query if query else "")
    request = HttpRequest(case["method"], url, headers=dict(case["headers"]))
    time = datetime.datetime.fromtimestamp(case["time"], datetime.timezone.utc)
    provider = StaticCredentialsProvider(case["id"], case["secret"], case["token"])
    context = SigningContext(
        product="oss",
        region=case["region"],
        bucket=case["bucket"],
        key=case["key"],
        request=request,
        credentials=provider.get_credentials(),
        signing_time=time,
        additional_headers=set(case["additional"]),
    )
    context.auth_method_query = form == "query"
    context.expiration_time = time + datetime.timedelta(seconds=case["expires"])
    (SignerV4() if version == "v4" else SignerV1()).sign(context)
    if form == "query":
        return query_of(request.url)
    return sorted(request.headers["Authorization"].split(","))


def attempt(sign, case, version, form):
    try:
        return sign(case, version, form)
    except Exception as error:  # whatever it is: it is told, and counted
        return f"{type(error).__name__}: {error}"


for line in sys.stdin:
    case = json.loads(line)
    out = {}
    for version in ["v4", "v1"]:
        for form in ["header", "query"]:
            out[f"{version} {form}"] = [
                attempt(sign, case, version, form) for sign in [with_oss2, with_v2]
            ]
    print(json.dumps(out))
