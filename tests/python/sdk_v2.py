"""`alibabacloud-oss-v2` behind the scenarios' interface."""

import contextlib
import datetime

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2 import exceptions
from alibabacloud_oss_v2.downloader import DownloadError

from sdk import Damaged, Entry, Got, Head, Page, Refused, Stored

USER_AGENT = "alibabacloud-python-sdk-v2/"
# It sends `x-oss-range-behavior: standard` when told so, as its downloader does.
IGNORES_RANGES_BEYOND_THE_END = False


class Sdk:
    """A client, with the SDK's defaults for all that matters: its CRC check is on."""

    def __init__(self, identity):
        config = oss.config.load_default()
        config.credentials_provider = oss.credentials.StaticCredentialsProvider(
            identity.access_key_id, identity.secret
        )
        config.region = identity.region
        config.endpoint = identity.endpoint
        config.signature_version = identity.version
        assert not config.disable_upload_crc64_check
        assert not config.disable_download_crc64_check
        self._client = oss.Client(config)
        self._bucket = identity.bucket

    def put(self, key, body, content_type=None, metadata=None):
        request = oss.PutObjectRequest(
            bucket=self._bucket, key=key, body=body, content_type=content_type, metadata=metadata
        )
        with failures():
            result = self._client.put_object(request)
        return Stored(result.etag, result.hash_crc64)

    def head(self, key):
        with failures():
            result = self._client.head_object(oss.HeadObjectRequest(self._bucket, key))
        return Head(
            size=result.content_length,
            etag=result.etag,
            content_type=result.content_type,
            modified=result.last_modified.timestamp(),
            metadata=dict(result.metadata or {}),
            crc64=result.hash_crc64,
            object_type=result.object_type,
        )

    def get(self, key, first=None, last=None):
        request = oss.GetObjectRequest(self._bucket, key)
        if first is not None or last is not None:
            text = [("" if end is None else str(end)) for end in (first, last)]
            request.range_header = f"bytes={text[0]}-{text[1]}"
            request.range_behavior = "standard"
        with failures():
            result = self._client.get_object(request)
            body = result.body.content
        return Got(result.status_code, result.content_range, body)

    def get_to_file(self, key, path):
        with failures():
            self._client.get_object_to_file(oss.GetObjectRequest(self._bucket, key), path)

    def list(self, version, prefix="", delimiter="", size=100):
        """All pages, by the SDK's own paginators."""
        if version == 1:
            paginator = self._client.list_objects_paginator(limit=size)
            request = oss.ListObjectsRequest(self._bucket, prefix=prefix, delimiter=delimiter)
        else:
            paginator = self._client.list_objects_v2_paginator(limit=size)
            request = oss.ListObjectsV2Request(self._bucket, prefix=prefix, delimiter=delimiter)
        with failures():
            for page in paginator.iter_page(request):
                entries = [
                    Entry(found.key, found.size, found.etag, found.last_modified.timestamp())
                    for found in page.contents or []
                ]
                yield Page(entries, [found.prefix for found in page.common_prefixes or []])

    def download(self, key, path, state_dir, part_size):
        """The downloader with a checkpoint, in three threads."""
        options = {"parallel_num": 3, "use_temp_file": True, "verify_data": True}
        self.resume(key, path, state_dir, part_size, **options)

    def resume(self, key, path, state_dir, part_size, **options):
        """The downloader with a checkpoint, and the SDK's defaults for all that is not said."""
        downloader = self._client.downloader(
            part_size=part_size,
            enable_checkpoint=True,
            # It takes the folder of what it is given.
            checkpoint_dir=f"{state_dir}/",
            **options,
        )
        with failures():
            downloader.download_file(oss.GetObjectRequest(self._bucket, key), path)

    def presign(self, method, key, seconds=600, content_type=None, metadata=None, download_as=None):
        """URLs that work, with the headers to send: each way the SDK has to write one."""
        request = {
            "GET": lambda: oss.GetObjectRequest(
                self._bucket, key, response_content_disposition=download_as
            ),
            "HEAD": lambda: oss.HeadObjectRequest(self._bucket, key),
            "PUT": lambda: oss.PutObjectRequest(
                self._bucket, key, content_type=content_type, metadata=metadata
            ),
        }[method]()
        lifetime = datetime.timedelta(seconds=seconds)
        until = datetime.datetime.now(datetime.timezone.utc) + lifetime
        for when in [{"expires": lifetime}, {"expiration": until}]:
            result = self._client.presign(request, **when)
            assert result.method == method
            yield result.url, dict(result.signed_headers)


@contextlib.contextmanager
def failures():
    try:
        yield
    except (exceptions.OperationError, DownloadError) as error:
        cause = error
        while isinstance(cause, (exceptions.OperationError, DownloadError)):
            cause = cause.unwrap()
        if isinstance(cause, exceptions.InconsistentError):
            raise Damaged(str(cause)) from error
        if isinstance(cause, exceptions.ServiceError):
            raise Refused(cause.status_code, cause.code, cause.request_id, cause.ec) from error
        raise
    except exceptions.InconsistentError as error:
        raise Damaged(str(error)) from error
