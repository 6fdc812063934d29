"""`oss2` behind the scenarios' interface."""

import contextlib

import oss2

from sdk import Damaged, Entry, Got, Head, Page, Part, Refused, Stored

USER_AGENT = "aliyun-sdk-python/"
# It leaves out `x-oss-range-behavior`: ranges beyond the end bring the whole object.
IGNORES_RANGES_BEYOND_THE_END = True


class Sdk:
    """A bucket, with the SDK's defaults for all that matters: its CRC check is on."""

    def __init__(self, identity):
        self._version = identity.version
        auth = {"v1": oss2.Auth, "v4": oss2.AuthV4}[identity.version]
        self._bucket = oss2.Bucket(
            auth(identity.access_key_id, identity.secret),
            identity.endpoint,
            identity.bucket,
            region=identity.region,
        )
        assert self._bucket.enable_crc

    def put(self, key, body, content_type=None, metadata=None):
        headers = {f"x-oss-meta-{name}": value for name, value in (metadata or {}).items()}
        if content_type:
            headers["Content-Type"] = content_type
        with failures():
            result = self._bucket.put_object(key, body, headers=headers)
        return Stored(result.headers["ETag"], str(result.crc))

    def head(self, key):
        with failures():
            result = self._bucket.head_object(key)
        begin = "x-oss-meta-"
        names = [name.lower() for name in result.headers if name.lower().startswith(begin)]
        return Head(
            size=result.content_length,
            etag=result.headers["ETag"],
            content_type=result.content_type,
            modified=result.last_modified,
            metadata={name[len(begin):]: result.headers[name] for name in names},
            crc64=str(result.server_crc),
            object_type=result.object_type,
        )

    def get(self, key, first=None, last=None):
        with failures():
            result = self._bucket.get_object(key, byte_range=(first, last))
            body = result.read()
            if first is None and last is None:
                oss2.utils.check_crc("get", result.client_crc, result.server_crc, None)
        return Got(result.status, result.content_range, body)

    def get_to_file(self, key, path):
        with failures():
            self._bucket.get_object_to_file(key, path)

    def list(self, version, prefix="", delimiter="", size=100):
        """All pages, as the SDK's user would turn them."""
        after = ""
        while True:
            with failures():
                if version == 1:
                    page = self._bucket.list_objects(prefix, delimiter, after, size)
                    after = page.next_marker
                else:
                    page = self._bucket.list_objects_v2(prefix, delimiter, after, max_keys=size)
                    after = page.next_continuation_token
            entries = [
                Entry(found.key, found.size, found.etag, found.last_modified)
                for found in page.object_list
            ]
            yield Page(entries, list(page.prefix_list))
            if not page.is_truncated:
                return

    def download(self, key, path, state_dir, part_size):
        """The resumable download, in three threads."""
        self.resume(key, path, state_dir, part_size, num_threads=3)

    def resume(self, key, path, state_dir, part_size, **options):
        """The resumable download, with the SDK's defaults for all that is not said."""
        store = oss2.ResumableDownloadStore(root=state_dir)
        with failures():
            oss2.resumable_download(
                self._bucket,
                key,
                path,
                multiget_threshold=part_size,
                part_size=part_size,
                store=store,
                **options,
            )

    def begin_upload(self, key, content_type, metadata):
        headers = {f"x-oss-meta-{name}": value for name, value in metadata.items()}
        headers["Content-Type"] = content_type
        with failures():
            return self._bucket.init_multipart_upload(key, headers=headers).upload_id

    def upload_part(self, key, upload, number, body):
        with failures():
            result = self._bucket.upload_part(key, upload, number, body)
        return Stored(result.headers["ETag"], str(result.crc))

    def copy_part(self, key, upload, number, source, first, last):
        with failures():
            result = self._bucket.upload_part_copy(
                self._bucket.bucket_name, source, (first, last), key, upload, number
            )
        return result.headers["Content-Range"]

    def list_parts(self, key, upload):
        with failures():
            found = self._bucket.list_parts(key, upload).parts
        return [Part(part.part_number, f'"{part.etag}"', part.size) for part in found]

    def list_uploads(self, prefix):
        with failures():
            found = self._bucket.list_multipart_uploads(prefix).upload_list
        return [(upload.key, upload.upload_id) for upload in found]

    def complete_upload(self, key, upload, parts):
        infos = [oss2.models.PartInfo(part.number, part.etag) for part in parts]
        with failures():
            result = self._bucket.complete_multipart_upload(key, upload, infos)
        return Stored(result.headers["ETag"], str(result.crc))

    def abort_upload(self, key, upload):
        with failures():
            self._bucket.abort_multipart_upload(key, upload)

    def upload_file(self, key, path, state_dir, part_size):
        """The resumable upload, one part after the other."""
        store = oss2.ResumableStore(root=state_dir)
        with failures():
            oss2.resumable_upload(
                self._bucket,
                key,
                path,
                store=store,
                multipart_threshold=part_size,
                part_size=part_size,
                num_threads=1,
            )

    def copy(self, source, key, content_type=None):
        """A copy with the metadata of the source, unless there is to be another type."""
        headers = {}
        if content_type:
            headers = {"Content-Type": content_type, "x-oss-metadata-directive": "REPLACE"}
        with failures():
            result = self._bucket.copy_object(self._bucket.bucket_name, source, key, headers)
        return Stored(result.headers["ETag"], str(result.crc))

    def delete_many(self, keys):
        """Deletes objects and returns the keys that the service says it has deleted."""
        with failures():
            return self._bucket.batch_delete_objects(keys).deleted_keys

    def put_tags(self, key, tags):
        rule = oss2.models.TaggingRule()
        for name, value in tags.items():
            rule.add(name, value)
        with failures():
            self._bucket.put_object_tagging(key, oss2.models.Tagging(rule))

    def get_tags(self, key):
        with failures():
            return dict(self._bucket.get_object_tagging(key).tag_set.tagging_rule)

    def delete_tags(self, key):
        with failures():
            self._bucket.delete_object_tagging(key)

    def presign(self, method, key, seconds=600, content_type=None, metadata=None, download_as=None):
        """URLs that work, with the headers to send: each way the SDK has to write one."""
        headers = {f"x-oss-meta-{name}": value for name, value in (metadata or {}).items()}
        if content_type:
            headers["Content-Type"] = content_type
        params = {"response-content-disposition": download_as} if download_as else {}

        def sign(**options):
            # It adds the signature to the very mappings it is given.
            return self._bucket.sign_url(
                method, key, seconds, headers=dict(headers), params=dict(params), **options
            )

        for slash_safe in [False, True]:
            yield sign(slash_safe=slash_safe), headers
        if method == "GET" and self._version == "v4":
            # Only this version can sign headers that are not OSS's own.
            headers["X-Example"] = "listed"
            yield sign(additional_headers=["x-example"]), headers


@contextlib.contextmanager
def failures():
    try:
        yield
    except oss2.exceptions.InconsistentError as error:
        raise Damaged(str(error)) from error
    except oss2.exceptions.ServerError as error:
        raise Refused(error.status, error.code, error.request_id, error.ec) from error
