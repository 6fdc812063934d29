"""What the scenarios ask of an SDK, whichever it is."""

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Identity:
    """Whose requests these are, and how they are signed and addressed."""

    endpoint: str
    region: str
    bucket: str
    access_key_id: str
    secret: str
    version: str


def identity_arguments(parser):
    """What a script has to be told for an identity."""
    for name in ["endpoint", "region", "bucket", "access-key-id", "secret"]:
        parser.add_argument(f"--{name}", required=True)


def identity(args, endpoint, version):
    """The identity that a script was told."""
    return Identity(
        endpoint=endpoint,
        region=args.region,
        bucket=args.bucket,
        access_key_id=args.access_key_id,
        secret=args.secret,
        version=version,
    )


@dataclasses.dataclass(frozen=True)
class Stored:
    """What the service says about an object that was put."""

    etag: str
    crc64: str


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a multipart upload, as the service lists it."""

    number: int
    etag: str
    size: int


@dataclasses.dataclass(frozen=True)
class Head:
    """What the service says about an object that is there."""

    size: int
    etag: str
    content_type: str
    modified: float
    metadata: typing.Dict[str, str]
    crc64: str
    object_type: str


@dataclasses.dataclass(frozen=True)
class Got:
    """A response with the object or a range of it."""

    status: int
    content_range: typing.Optional[str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class Entry:
    """One object of a listing."""

    key: str
    size: int
    etag: str
    modified: float


@dataclasses.dataclass(frozen=True)
class Page:
    """One response of a listing."""

    entries: typing.List[Entry]
    prefixes: typing.List[str]


class Refused(Exception):
    """The service said no."""

    def __init__(self, status, code, request_id, ec):
        super().__init__(f"{status} {code}")
        self.status, self.code, self.request_id, self.ec = status, code, request_id, ec


class Damaged(Exception):
    """The SDK found that the CRC-64 of the bytes is not the one stated."""
