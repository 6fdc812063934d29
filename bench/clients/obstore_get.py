"""Downloads by obstore: one object in ranges of 8 MiB, or many objects whole.

obstore_get.py ENDPOINT AT_ONCE one KEY OUT
obstore_get.py ENDPOINT AT_ONCE many FOLDER < KEYS
"""
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import obstore
from obstore.store import S3Store

PART = 8 << 20

endpoint, at_once, how, *rest = sys.argv[1:]
store = S3Store(
    "bench",
    endpoint=endpoint,
    region="us-east-1",
    skip_signature=True,
    virtual_hosted_style_request=False,
    # It cannot be told whom to trust: unverified, it has less to do.
    client_options={
        "allow_http": True,
        "allow_invalid_certificates": True,
        "timeout": "300s",
    },
)


def one(key, out):
    size = obstore.head(store, key)["size"]
    file = os.open(out, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def part(start):
        got = obstore.get_range(store, key, start=start, end=min(size, start + PART))
        os.pwrite(file, got, start)

    with ThreadPoolExecutor(int(at_once)) as pool:
        list(pool.map(part, range(0, size, PART)))
    os.close(file)


def many(folder):
    def whole(key):
        with open(os.path.join(folder, os.path.basename(key)), "wb") as file:
            file.write(obstore.get(store, key).bytes())

    with ThreadPoolExecutor(int(at_once)) as pool:
        list(pool.map(whole, sys.stdin.read().split()))


{"one": one, "many": many}[how](*rest)
