"""`alibabacloud-oss-v2` behind the scenarios' interface."""

import contextlib
import datetime

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2 import exceptions
from alibabacloud_oss_v2.downloader import DownloadError
from alibabacloud_oss_v2.uploader import UploadError

from sdk import Damaged, Entry, Got, Head, Page, Part, Refused, Stored

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

    def begin_upload(self, key, content_type, metadata):
        request = oss.InitiateMultipartUploadRequest(
            self._bucket, key, content_type=content_type, metadata=metadata
        )
        with failures():
            return self._client.initiate_multipart_upload(request).upload_id

    def upload_part(self, key, upload, number, body):
        request = oss.UploadPartRequest(
            self._bucket, key, part_number=number, upload_id=upload, body=body
        )
        with failures():
            result = self._client.upload_part(request)
        return Stored(result.etag, result.hash_crc64)

    def copy_part(self, key, upload, number, source, first, last):
        request = oss.UploadPartCopyRequest(
            self._bucket,
            key,
            part_number=number,
            upload_id=upload,
            source_bucket=self._bucket,
            source_key=source,
            source_range=f"bytes={first}-{last}",
        )
        with failures():
            result = self._client.upload_part_copy(request)
        return result.headers["Content-Range"]

    def list_parts(self, key, upload):
        with failures():
            found = self._client.list_parts(oss.ListPartsRequest(self._bucket, key, upload))
        return [Part(part.part_number, part.etag, part.size) for part in found.parts or []]

    def list_uploads(self, prefix):
        request = oss.ListMultipartUploadsRequest(self._bucket, prefix=prefix)
        with failures():
            found = self._client.list_multipart_uploads(request)
        return [(upload.key, upload.upload_id) for upload in found.uploads or []]

    def complete_upload(self, key, upload, parts):
        parts = [oss.UploadPart(part_number=part.number, etag=part.etag) for part in parts]
        request = oss.CompleteMultipartUploadRequest(
            self._bucket,
            key,
            upload,
            complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts),
        )
        with failures():
            result = self._client.complete_multipart_upload(request)
        return Stored(result.etag, result.hash_crc64)

    def abort_upload(self, key, upload):
        request = oss.AbortMultipartUploadRequest(self._bucket, key, upload)
        with failures():
            self._client.abort_multipart_upload(request)

    def upload_file(self, key, path, state_dir, part_size):
        """The uploader with a checkpoint, one part after the other."""
        uploader = self._client.uploader(
            part_size=part_size,
            parallel_num=1,
            enable_checkpoint=True,
            # It takes the folder of what it is given.
            checkpoint_dir=f"{state_dir}/",
        )
        with failures():
            uploader.upload_file(oss.PutObjectRequest(self._bucket, key), path)

    def copy(self, source, key, content_type=None):
        """A copy with the metadata of the source, unless there is to be another type."""
        request = oss.CopyObjectRequest(
            self._bucket, key, source_bucket=self._bucket, source_key=source
        )
        if content_type:
            request.content_type, request.metadata_directive = content_type, "REPLACE"
        with failures():
            result = self._client.copy_object(request)
        return Stored(result.etag, result.hash_crc64)

    def delete_many(self, keys):
        """Deletes objects and returns the keys that the service says it has deleted."""
        objects = [oss.DeleteObject(key=key) for key in keys]
        request = oss.DeleteMultipleObjectsRequest(self._bucket, objects=objects)
        with failures():
            result = self._client.delete_multiple_objects(request)
        return [deleted.key for deleted in result.deleted_objects or []]

    def put_tags(self, key, tags):
        tags = [oss.Tag(key=name, value=value) for name, value in tags.items()]
        tagging = oss.Tagging(tag_set=oss.TagSet(tags=tags))
        with failures():
            self._client.put_object_tagging(
                oss.PutObjectTaggingRequest(self._bucket, key, tagging=tagging)
            )

    def get_tags(self, key):
        with failures():
            found = self._client.get_object_tagging(oss.GetObjectTaggingRequest(self._bucket, key))
        return {tag.key: tag.value or "" for tag in found.tag_set.tags or []}

    def delete_tags(self, key):
        with failures():
            self._client.delete_object_tagging(oss.DeleteObjectTaggingRequest(self._bucket, key))

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


# What it wraps around the failure of a request.
WRAPPERS = (exceptions.OperationError, DownloadError, UploadError)


@contextlib.contextmanager
def failures():
    try:
        yield
    except WRAPPERS as error:
        cause = error
        while isinstance(cause, WRAPPERS):
            cause = cause.unwrap()
        if isinstance(cause, exceptions.InconsistentError):
            raise Damaged(str(cause)) from error
        if isinstance(cause, exceptions.ServiceError):
            raise Refused(cause.status_code, cause.code, cause.request_id, cause.ec) from error
        raise
    except exceptions.InconsistentError as error:
        raise Damaged(str(error)) from error
