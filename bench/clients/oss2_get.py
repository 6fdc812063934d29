"""A resumable download by oss2.

oss2_get.py ENDPOINT THREADS PART_SIZE KEY OUT
"""
import os
import sys

import oss2

endpoint, threads, part_size, key, out = sys.argv[1:]
session = oss2.Session(pool_size=max(10, int(threads)))
bucket = oss2.Bucket(oss2.AnonymousAuth(), endpoint, "bench", connect_timeout=30, session=session)
oss2.resumable_download(
    bucket,
    key,
    out,
    multiget_threshold=1,
    part_size=int(part_size),
    num_threads=int(threads),
    store=oss2.ResumableDownloadStore(root=os.path.dirname(out), dir=".oss2"),
)
