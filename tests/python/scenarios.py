"""What the SDKs do to the simulator, and what has to come of it."""

import hashlib
import os
import random
import time

from sdk import Damaged, Part, Refused
from simulator import fetch

# The check value of CRC-64/XZ: known from outside, so that not only our own sums agree.
CHECK = b"123456789"
CHECK_CRC64 = str(0x995DC9BBDF1939FA)

SPECIAL_KEYS = [
    "a b/c+d%41.txt",
    "plus+plus",
    " space at both ends ",
    "per%cent%2Fand%20more%",
    "query?a=b&c=d#fragment;x",
    "marks-_.~!*'()$,:@=[]{}|^`",
    "<a href=\"x\">&amp;</a>",
    "back\\slash",
    "slashes//doubled/",
    "中文/ключ/ñandú/ﬀ",
    "😀.bin",
    "e\u0301 is not \u00e9",
    "control\tcharacters\n\x01\x7f",
]


def bytes_of(seed, size):
    return random.Random(seed).randbytes(size)


def etag_of(body):
    return '"' + hashlib.md5(body).hexdigest().upper() + '"'


def joint_etag_of(bodies):
    """That of an object put together of parts."""
    md5s = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{hashlib.md5(md5s).hexdigest().upper()}-{len(bodies)}"'


def refusal(action):
    """How the service refused what must not succeed."""
    try:
        action()
    except Refused as refused:
        assert refused.request_id, "a refusal names its request"
        return refused.status, refused.code
    raise AssertionError("this must be refused")


def is_recent(moment):
    return abs(moment - time.time()) < 600


def objects(case):
    """put, head and get."""
    sdk = case.sdk
    body = bytes_of(1, 300_001)
    metadata = {"author": "somebody", "spaced": "a  b"}
    stored = sdk.put("dir/object.bin", body, "text/x-example; charset=utf-8", metadata)
    assert stored.etag == etag_of(body), stored
    head = sdk.head("dir/object.bin")
    assert (head.size, head.etag) == (len(body), etag_of(body)), head
    assert head.crc64 == stored.crc64 != "None", head
    assert head.content_type == "text/x-example; charset=utf-8", head
    assert head.metadata == metadata, head
    assert head.object_type == "Normal", head
    assert is_recent(head.modified), head
    got = sdk.get("dir/object.bin")
    assert got.status == 200 and got.body == body and got.content_range is None

    assert sdk.put("check", CHECK).crc64 == CHECK_CRC64
    assert sdk.put("dir/object.bin", CHECK).etag == etag_of(CHECK)
    assert sdk.get("dir/object.bin").body == CHECK, "a second put replaces the first"
    assert sdk.put("empty", b"").crc64 == "0"
    assert sdk.head("empty").size == 0
    assert sdk.get("empty").body == b""

    assert refusal(lambda: sdk.get("missing")) == (404, "NoSuchKey")
    assert refusal(lambda: sdk.head("missing"))[0] == 404


def ranges(case):
    """get with range."""
    sdk, size = case.sdk, 1000
    body = bytes_of(2, size)
    sdk.put("object", body)
    for first, last, window in [
        (0, 0, slice(0, 1)),
        (0, 99, slice(0, 100)),
        (500, None, slice(500, None)),
        (None, 100, slice(900, None)),
        (0, 999, slice(0, 1000)),
        (999, 999, slice(999, None)),
    ]:
        got = sdk.get("object", first, last)
        assert (got.status, got.body) == (206, body[window]), (first, last, got)
        start = window.start
        assert got.content_range == f"bytes {start}-{start + len(got.body) - 1}/{size}", got
    if case.module.IGNORES_RANGES_BEYOND_THE_END:
        for first, last in [(990, 1010), (1000, None), (2000, 3000), (None, 2000)]:
            got = sdk.get("object", first, last)
            assert (got.status, got.body) == (200, body), (first, last, got.status)
    else:
        assert sdk.get("object", 990, 1010).body == body[990:]
        assert sdk.get("object", None, 2000).body == body
        assert refusal(lambda: sdk.get("object", 1000)) == (416, "InvalidRange")
        assert refusal(lambda: sdk.get("object", 2000, 3000)) == (416, "InvalidRange")


def special_keys(case):
    """Keys that have to be escaped on the way, in a URL, in a header or in XML."""
    sdk = case.sdk
    for key in SPECIAL_KEYS:
        body = f"the content of {key}".encode()
        assert sdk.put(key, body).etag == etag_of(body), key
    for key in SPECIAL_KEYS:
        body = f"the content of {key}".encode()
        assert sdk.get(key).body == body, key
        assert sdk.get(key, 4, 10).body == body[4:11], key
        assert sdk.head(key).size == len(body), key
        listed = [entry.key for page in sdk.list(2, prefix=key) for entry in page.entries]
        assert listed == [key]
    for version in [1, 2]:
        # One a page: each key is also a marker or in a token.
        pages = list(sdk.list(version, size=1))
        listed = [entry.key for page in pages for entry in page.entries]
        assert listed == sorted(SPECIAL_KEYS, key=str.encode), listed
    logged = {request["key"] for request in case.sim.requests() if request["key"]}
    assert logged == set(SPECIAL_KEYS), "the simulator understood other keys"


def listings(case):
    """list with prefix, delimiter and paging."""
    sdk = case.sdk
    keys = [f"a/{number}" for number in range(5)]
    keys += ["b/x/1", "b/x/2", "b/y/1", "b/z", "top", "é/1", "a b/c+d%41.txt"]
    for key in keys:
        sdk.put(key, key.encode())
    keys.sort(key=str.encode)

    def look(version, **how):
        pages = list(sdk.list(version, **how))
        found = [entry.key for page in pages for entry in page.entries]
        prefixes = [prefix for page in pages for prefix in page.prefixes]
        sizes = [len(page.entries) + len(page.prefixes) for page in pages]
        return found, prefixes, sizes

    for version in [1, 2]:
        assert look(version) == (keys, [], [12])
        assert look(version, size=5) == (keys, [], [5, 5, 2])
        assert look(version, size=12) == (keys, [], [12])
        below_a = [f"a/{number}" for number in range(5)]
        assert look(version, prefix="a/") == (below_a, [], [5])
        assert look(version, prefix="a/", size=2) == (below_a, [], [2, 2, 1])
        assert look(version, prefix="none") == ([], [], [0])
        folders = ["a b/", "a/", "b/", "é/"]
        assert look(version, delimiter="/") == (["top"], folders, [5])
        assert look(version, delimiter="/", size=2) == (["top"], folders, [2, 2, 1])
        assert look(version, delimiter="/", size=1) == (["top"], folders, [1] * 5)
        assert look(version, prefix="b/", delimiter="/") == (["b/z"], ["b/x/", "b/y/"], [3])
        assert look(version, prefix="b/x", delimiter="/") == ([], ["b/x/"], [1])
        entry = next(sdk.list(version, prefix="top")).entries[0]
        assert entry.size == 3 and entry.etag.strip('"') == etag_of(b"top").strip('"'), entry
        assert is_recent(entry.modified), entry


def resumable_download(case):
    """The SDK's own resumable download, whole, broken off and resumed."""
    sdk, part_size, size = case.sdk, 100 << 10, (1 << 20) + 17
    key, parts = "dir/a b/c+d%41.bin", 11
    body = bytes_of(3, size)
    sdk.put(key, body)

    def fetched():
        gets = [asked for asked in case.sim.requests() if asked["method"] == "GET"]
        case.sim.forget_requests()
        return [asked["range"] for asked in gets if asked["status"] == 206]

    path = os.path.join(case.dir, "whole.bin")
    sdk.download(key, path, case.dir, part_size)
    assert read(path) == body
    assert len(set(fetched())) == parts

    path = os.path.join(case.dir, "resumed.bin")
    case.sim.fault("get:nth=6:status=403/AccessDenied")
    assert refusal(lambda: sdk.download(key, path, case.dir, part_size)) == (403, "AccessDenied")
    assert not os.path.exists(path)
    case.sim.clear_faults()
    before = fetched()
    sdk.download(key, path, case.dir, part_size)
    assert read(path) == body
    after = fetched()
    assert len(set(before + after)) == parts, (before, after)
    assert len(after) < parts, "nothing was resumed"

    # An object changed in between is fetched anew: the SDK recognises it by size, ETag and date.
    path = os.path.join(case.dir, "changed.bin")
    case.sim.fault("get:nth=6:status=403/AccessDenied")
    assert refusal(lambda: sdk.download(key, path, case.dir, part_size)) == (403, "AccessDenied")
    case.sim.clear_faults()
    newer = bytes_of(4, size)
    sdk.put(key, newer)
    fetched()
    sdk.download(key, path, case.dir, part_size)
    assert read(path) == newer
    assert len(set(fetched())) == parts


def presigned_urls(case):
    """URLs made by the SDK, used by what knows nothing of OSS."""
    sdk, key = case.sdk, "a b/c+d%41 中文.txt"
    body = bytes_of(5, 1000)
    sdk.put(key, body)
    for url, headers in sdk.presign("GET", key):
        if headers:
            assert is_mismatch(fetch(url)), "a signed header is left out"
        assert fetch(url, headers=headers).body == body
        part = fetch(url, headers={**headers, "Range": "bytes=10-19"})
        assert (part.status, part.body) == (206, body[10:20]), part
        refused = fetch(url, "PUT", b"x", {**headers, "Content-Type": "text/plain"})
        assert is_mismatch(refused), refused
        assert "c%2Bd" in url
        refused = fetch(url.replace("c%2Bd", "c%2Be"), headers=headers)
        assert is_mismatch(refused), refused
        case.sim.set_clock(601)
        refused = fetch(url, headers=headers)
        assert refused.status == 403 and b"<Code>AccessDenied</Code>" in refused.body, refused
        case.sim.set_clock(0)
    for url, _ in sdk.presign("HEAD", key):
        answer = fetch(url, method="HEAD")
        assert (answer.status, answer.headers["Content-Length"]) == (200, "1000"), answer
    disposition = 'attachment; filename="a b.txt"'
    for url, headers in sdk.presign("GET", key, download_as=disposition):
        assert fetch(url, headers=headers).headers["Content-Disposition"] == disposition
        name = "response-content-disposition"
        altered = url.replace(f"{name}=attachment", f"{name}=attachmenu")
        assert altered != url
        refused = fetch(altered, headers=headers)
        assert is_mismatch(refused), refused
    metadata = {"author": "somebody"}
    for number, (url, headers) in enumerate(
        sdk.presign("PUT", "put here", content_type="text/x-example", metadata=metadata)
    ):
        content = f"content {number}".encode()
        assert is_mismatch(fetch(url, "PUT", content, {"Content-Type": "text/x-example"}))
        assert is_mismatch(fetch(url, "PUT", content, {**headers, "Content-Type": "text/plain"}))
        assert fetch(url, "PUT", content, headers).status == 200
        assert sdk.get("put here").body == content
        head = sdk.head("put here")
        assert (head.content_type, head.metadata) == ("text/x-example", metadata), head
    used = [asked for asked in case.sim.requests() if (asked["signature"] or "").endswith("query")]
    assert len(used) >= 10, "these were to be presigned URLs"


def crc_checks(case):
    """The SDK's CRC check is on: it accepts what is right and finds what is not."""
    sdk, body = case.sdk, bytes_of(6, 250_000)
    path = os.path.join(case.dir, "object")
    sdk.put("object", body)
    sdk.get_to_file("object", path)
    assert read(path) == body

    def finds_damage(action):
        try:
            action()
        except Damaged:
            case.sim.clear_faults()
            return
        raise AssertionError("the damage went unnoticed")

    case.sim.fault("get:always:flip=200000")
    finds_damage(lambda: sdk.get_to_file("object", path))
    case.sim.fault("get:always:crc=5")
    finds_damage(lambda: sdk.get_to_file("object", path))
    case.sim.fault("get:always:flip=200000")
    finds_damage(lambda: sdk.download("object", path, case.dir, 100 << 10))
    case.sim.fault("put:always:crc=5")
    finds_damage(lambda: sdk.put("object", body))


def multipart_uploads(case):
    """Parts in any order, listed, completed and aborted."""
    sdk, key = case.sdk, "dir/a b/c+d%41 中文.bin"
    bodies = [bytes_of(7, 100 << 10), bytes_of(8, (100 << 10) + 1), bytes_of(9, 17)]
    upload = sdk.begin_upload(key, "text/x-example", {"author": "somebody"})
    assert sdk.upload_part(key, upload, 1, CHECK).crc64 == CHECK_CRC64
    for number in [3, 1, 2]:
        stored = sdk.upload_part(key, upload, number, bodies[number - 1])
        assert stored.etag == etag_of(bodies[number - 1]), stored
    parts = [Part(n, etag_of(body), len(body)) for n, body in enumerate(bodies, 1)]
    assert sdk.list_parts(key, upload) == parts
    assert sdk.list_uploads("dir/") == [(key, upload)]
    assert sdk.list_uploads("other/") == []
    assert refusal(lambda: sdk.head(key))[0] == 404

    body = b"".join(bodies)
    stored = sdk.complete_upload(key, upload, parts)
    assert stored.etag == joint_etag_of(bodies), stored
    head = sdk.head(key)
    assert (head.size, head.etag, head.crc64) == (len(body), stored.etag, stored.crc64), head
    assert (head.object_type, head.content_type) == ("Multipart", "text/x-example"), head
    assert head.metadata == {"author": "somebody"}, head
    assert sdk.get(key).body == body
    assert sdk.put("in one piece", body).crc64 == stored.crc64
    gone = (404, "NoSuchUpload")
    assert refusal(lambda: sdk.complete_upload(key, upload, parts)) == gone

    upload = sdk.begin_upload(key, "text/x-example", {})
    small = sdk.upload_part(key, upload, 1, CHECK)
    last = sdk.upload_part(key, upload, 2, CHECK)
    two = [Part(1, small.etag, len(CHECK)), Part(2, last.etag, len(CHECK))]
    refused = refusal(lambda: sdk.complete_upload(key, upload, two))
    assert refused == (400, "EntityTooSmall"), refused
    refused = refusal(lambda: sdk.complete_upload(key, upload, [Part(1, etag_of(b""), 0)]))
    assert refused == (400, "InvalidPart"), refused
    sdk.abort_upload(key, upload)
    assert refusal(lambda: sdk.upload_part(key, upload, 1, CHECK)) == gone
    assert sdk.list_uploads("") == []
    assert sdk.get(key).body == body, "an aborted upload leaves the object as it was"


def resumable_upload(case):
    """The SDK's own upload of a file, broken off and resumed: it checks the CRC-64 of the whole."""
    sdk, part_size, key = case.sdk, 100 << 10, "dir/a b/c+d%41.bin"
    body = bytes_of(10, (1 << 20) + 17)
    path = os.path.join(case.dir, "upload.bin")
    with open(path, "wb") as file:
        file.write(body)

    def sent():
        puts = [asked for asked in case.sim.requests() if asked["method"] == "PUT"]
        case.sim.forget_requests()
        return [asked["query"] for asked in puts if asked["status"] == 200]

    case.sim.fault("put:parameter=partNumber:nth=6:status=403/AccessDenied")
    broken = refusal(lambda: sdk.upload_file(key, path, case.dir, part_size))
    assert broken == (403, "AccessDenied"), broken
    case.sim.clear_faults()
    before = sent()
    sdk.upload_file(key, path, case.dir, part_size)
    after = sent()
    assert (len(before), len(after)) == (5, 6), (before, after)
    assert sdk.get(key).body == body
    assert sdk.head(key).object_type == "Multipart"
    assert sdk.list_uploads("") == []


def copies(case):
    """Copies of objects, whole and as parts."""
    sdk = case.sdk
    body = bytes_of(11, 300_001)
    for number, source in enumerate(SPECIAL_KEYS):
        stored = sdk.put(source, body, "text/x-example", {"author": "somebody"})
        copied = sdk.copy(source, f"copies/{number}/{source}")
        assert copied == stored, (source, copied)
        head = sdk.head(f"copies/{number}/{source}")
        assert (head.content_type, head.metadata) == ("text/x-example", {"author": "somebody"})
    sdk.copy(SPECIAL_KEYS[0], "retyped", content_type="text/plain")
    head = sdk.head("retyped")
    assert (head.content_type, head.metadata) == ("text/plain", {}), head
    assert sdk.get("retyped").body == body
    assert refusal(lambda: sdk.copy("missing", "copy")) == (404, "NoSuchKey")

    upload = sdk.begin_upload("joined", "text/plain", {})
    source = SPECIAL_KEYS[0]
    half = len(body) // 2
    said = sdk.copy_part("joined", upload, 1, source, half, len(body) - 1)
    assert said == f"bytes {half}-{len(body) - 1}/{len(body)}", said
    said = sdk.copy_part("joined", upload, 2, source, 0, half - 1)
    assert said == f"bytes 0-{half - 1}/{len(body)}", said
    parts = sdk.list_parts("joined", upload)
    halves = [body[half:], body[:half]]
    assert parts == [Part(n, etag_of(half), len(half)) for n, half in enumerate(halves, 1)]
    assert sdk.complete_upload("joined", upload, parts).etag == joint_etag_of(halves)
    assert sdk.get("joined").body == b"".join(halves)


def bulk_deletions(case):
    """Many objects deleted by one request, whatever their keys."""
    sdk = case.sdk
    for key in [*SPECIAL_KEYS, "kept"]:
        sdk.put(key, b"content")
    assert sdk.delete_many([*SPECIAL_KEYS, "missing"]) == [*SPECIAL_KEYS, "missing"]
    assert [entry.key for page in sdk.list(2) for entry in page.entries] == ["kept"]
    many = [f"many/{number}" for number in range(1000)]
    assert sdk.delete_many(many) == many
    refused = refusal(lambda: sdk.delete_many([*many, "one more"]))
    assert refused == (400, "MalformedXML"), refused


def tags(case):
    """Tags of an object, put, read and deleted."""
    sdk = case.sdk
    sdk.put("object", b"content")
    assert sdk.get_tags("object") == {}
    tagged = {"a": "1", "b c+d": "e=f", "empty": ""}
    sdk.put_tags("object", tagged)
    assert sdk.get_tags("object") == tagged
    sdk.copy("object", "copy")
    assert sdk.get_tags("copy") == tagged
    sdk.delete_tags("object")
    assert sdk.get_tags("object") == {}
    assert sdk.get("object").body == b"content"
    assert refusal(lambda: sdk.get_tags("missing")) == (404, "NoSuchKey")


def refusals(case):
    """Signatures that are not right are not accepted, whatever is asked."""
    sdk = case.sdk
    sdk.put("object", b"content")

    def actions(other):
        yield lambda: other.put("new", b"content")
        yield lambda: other.get("object")
        yield lambda: other.get("object", 0, 1)
        yield lambda: list(other.list(1))
        yield lambda: list(other.list(2, prefix="o", delimiter="/"))
        yield lambda: other.download("object", os.path.join(case.dir, "f"), case.dir, 1 << 20)

    for action in actions(case.connect(secret="wrongsecret")):
        assert refusal(action)[0] == 403
    wrong = case.connect(secret="wrongsecret")
    assert refusal(lambda: wrong.put("new", b"")) == (403, "SignatureDoesNotMatch")
    assert refusal(lambda: wrong.get("object")) == (403, "SignatureDoesNotMatch")
    assert refusal(lambda: list(wrong.list(2))) == (403, "SignatureDoesNotMatch")
    # There is no body to read the code from: it comes in a header.
    assert refusal(lambda: wrong.head("object")) == (403, "SignatureDoesNotMatch")
    unknown = case.connect(access_key_id="nobody")
    assert refusal(lambda: unknown.get("object")) == (403, "InvalidAccessKeyId")
    if case.identity.version == "v4":
        abroad = case.connect(region="cn-beijing")
        assert refusal(lambda: abroad.get("object")) == (400, "InvalidArgument")
    for url, headers in wrong.presign("GET", "object"):
        assert is_mismatch(fetch(url, headers=headers))
    unsigned = fetch(next(sdk.presign("GET", "object"))[0].split("?")[0])
    assert unsigned.status == 403 and b"<Code>AccessDenied</Code>" in unsigned.body, unsigned
    for ahead in [16 * 60, -16 * 60]:
        case.sim.set_clock(ahead)
        assert refusal(lambda: sdk.get("object")) == (403, "RequestTimeTooSkewed")
    case.sim.set_clock(14 * 60)
    assert sdk.get("object").body == b"content"
    case.sim.set_clock(0)
    assert [entry.key for page in sdk.list(2) for entry in page.entries] == ["object"]
    elsewhere = case.connect(bucket="otherbucket")
    assert refusal(lambda: elsewhere.get("object")) == (404, "NoSuchBucket")


def upload(case):
    """Puts what another program is to download."""
    with open(os.path.join(case.dir, "upload.bin"), "rb") as file:
        case.sdk.put("dir/a b/c+d%41.bin", file.read())


def is_mismatch(answer):
    return answer.status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in answer.body


def read(path):
    with open(path, "rb") as file:
        return file.read()
