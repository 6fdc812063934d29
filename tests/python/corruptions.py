"""What a resumed download makes of kept bytes that are no longer what was written.

Each downloader is killed (SIGKILL) when its own checkpoint records the first half of the object.
Then what lies on disk is damaged in one way, and the same download is run again, in a new process.
Recorded are what the second run reported, whether the file is the object, how many bytes the
simulator sent for it, and what was left lying about. The rows of ossget must be right; those of the
others, and of ossget told to trust what it kept, are only compared with what is written down.
"""

import argparse
import dataclasses
import glob
import json
import logging
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
import typing
from importlib.metadata import version

import sdk_oss2
import sdk_v2
from sdk import identity, identity_arguments
from simulator import Simulator

PART = 256 << 10
HALF = 16 * PART
SIZE = 2 * HALF + 17
KEY = "dir/object.bin"
FILE = "object.bin"


class PythonSdk:
    """A downloader of an SDK, in a process of its own."""

    def __init__(self, name, connect, **options):
        self.name, self._connect, self._options = name, connect, options

    def start(self, folder):
        """Starts the download in a child that tells its end to a file; returns its id."""
        child = os.fork()
        if child:
            return child
        try:
            said = "success"
            try:
                path = os.path.join(folder, FILE)
                # Its warnings would stand between the results.
                logging.disable()
                # Connected here: processes must not share connections.
                self._connect().resume(KEY, path, folder, PART, **self._options)
            except Exception as error:  # whatever it is, it is what the SDK reported
                said = type(error.__cause__ or error).__name__
                print(f"{self.name}: {error}", file=sys.stderr)
            with open(end_of(folder), "w") as file:
                file.write(said)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def ended(self, folder, code):
        """What the child that exited with this code has reported."""
        assert code == 0, f"{self.name} ended with {code}"
        return read(end_of(folder)).decode()


class Oss2(PythonSdk):
    """The `resumable_download` of oss2."""

    def checkpoint(self, folder):
        return only(os.path.join(folder, ".py-oss-download", "*"))

    def partial(self, folder):
        return only(os.path.join(folder, f"{FILE}.tmp-*"))

    def recorded(self, folder):
        parts = json.loads(read(self.checkpoint(folder)))["parts"]
        return sum(part["end"] - part["start"] for part in parts)


class PythonV2(PythonSdk):
    """The downloader of alibabacloud-oss-v2, with a checkpoint."""

    def checkpoint(self, folder):
        return only(os.path.join(folder, "*.dcp"))

    def partial(self, folder):
        # Unless told otherwise it writes under the final name.
        return os.path.join(folder, FILE)

    def recorded(self, folder):
        return json.loads(read(self.checkpoint(folder)))["Data"]["DownloadInfo"]["Offset"]


class Ossget:
    """The command line of ossget."""

    def __init__(self, binary, identity, *options):
        self.name = " ".join(["ossget", *options])
        self._binary, self._identity, self._options = binary, identity, options

    def start(self, folder):
        command = [self._binary, "get", f"oss://{self._identity.bucket}/{KEY}"]
        command += [os.path.join(folder, FILE), "--part-size", str(PART), "--quiet", *self._options]
        command += ["--endpoint", self._identity.endpoint, "--region", self._identity.region]
        env = {name: os.environ[name] for name in ["PATH"] if name in os.environ}
        env["OSS_ACCESS_KEY_ID"] = self._identity.access_key_id
        env["OSS_ACCESS_KEY_SECRET"] = self._identity.secret
        with open(end_of(folder), "w") as said:
            return os.posix_spawn(
                self._binary,
                command,
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), fd) for fd in (1, 2)],
            )

    def ended(self, folder, code):
        if code != 0:
            print(f"ossget: {read(end_of(folder)).decode()}", file=sys.stderr)
        return "success" if code == 0 else f"exit {code}"

    def checkpoint(self, folder):
        return only(os.path.join(folder, f".{FILE}.*.ossget"))

    def partial(self, folder):
        return only(os.path.join(folder, f"{FILE}.*.part"))

    def recorded(self, folder):
        command = [self._binary, "checkpoint", "show", "--json", os.path.join(folder, FILE)]
        shown = subprocess.run(command, capture_output=True, check=True)
        return json.loads(shown.stdout)["bytes_recorded"]


def untouched(tool, folder):
    """The control: what the kill alone costs."""


def partial_deleted(tool, folder):
    os.remove(tool.partial(folder))


def partial_truncated(tool, folder):
    os.truncate(tool.partial(folder), 10)


def partial_zeroed(tool, folder):
    with open(tool.partial(folder), "rb+") as file:
        file.write(bytes(3 * PART))


def partial_flipped(tool, folder):
    with open(tool.partial(folder), "rb+") as file:
        file.seek(5 * PART + 1000)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def checkpoint_torn(tool, folder):
    path = tool.checkpoint(folder)
    os.truncate(path, os.path.getsize(path) // 2)


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A thing that can happen between two runs."""

    name: str
    do: typing.Callable
    # What has to be fetched by whoever knows exactly which of the kept bytes are bad.
    must_fetch: int


# The end of the object was not fetched before the kill: it must be in every case.
CORRUPTIONS = [
    Corruption("nothing (control)", untouched, SIZE - HALF),
    Corruption("partial file deleted", partial_deleted, SIZE),
    Corruption("partial file cut to 10 bytes", partial_truncated, SIZE),
    Corruption("first 3 parts zeroed", partial_zeroed, SIZE - HALF + 3 * PART),
    Corruption("one bit of part 6 flipped", partial_flipped, SIZE - HALF + PART),
    # Without its checkpoint nothing that was kept can be told from garbage.
    Corruption("checkpoint cut to half", checkpoint_torn, SIZE),
]


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one downloader and one corruption."""

    tool: str
    corruption: str
    reported: str
    file: str
    fetched: int
    left: typing.List[str]

    def line(self):
        percent = round(100 * self.fetched / SIZE)
        fetched = f"{self.fetched} ({percent} %)"
        left = f"; left behind: {', '.join(self.left)}" if self.left else ""
        columns = [f"{self.tool:<32}", f"{self.corruption:<28}", f"{self.reported:<8}"]
        return "  ".join([*columns, f"{fetched:>15}", self.file + left])


class Trial:
    """The simulator, the object, and a place for folders."""

    def __init__(self, sim, body, place):
        self._sim, self._body, self._place = sim, body, place

    def run(self, tool, corruption):
        folder = os.path.join(self._place, "run")
        os.mkdir(folder)
        try:
            self._kill_half_way(tool, folder)
            corruption.do(tool, folder)
            self._sim.forget_requests()
            code = os.waitstatus_to_exitcode(os.waitpid(tool.start(folder), 0)[1])
            reported = tool.ended(folder, code)
            return Result(
                tool=tool.name,
                corruption=corruption.name,
                reported=reported,
                file=self._judge(os.path.join(folder, FILE)),
                fetched=self._fetched(),
                left=leftovers(folder),
            )
        finally:
            shutil.rmtree(folder)

    def _kill_half_way(self, tool, folder):
        # Behind the middle the service is silent, so that nobody has more than the half.
        self._sim.fault(f"get:from={HALF}:always:stall-head")
        child = tool.start(folder)
        try:
            wait_until(lambda: recorded(tool, folder) == HALF, tool.name)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self._sim.clear_faults()
        assert recorded(tool, folder) == HALF, tool.name

    def _fetched(self):
        wait_until(lambda: all(asked["ended"] for asked in self._sim.requests()), "the simulator")
        return sum(asked["sent"] for asked in self._sim.requests() if asked["status"] in (200, 206))

    def _judge(self, path):
        if not os.path.exists(path):
            return "no file"
        found = read(path)
        if found == self._body:
            return "right"
        if len(found) != SIZE:
            return f"WRONG: {len(found)} bytes long"
        differ = sum(1 for ours, theirs in zip(found, self._body) if ours != theirs)
        return f"WRONG: {differ} {'byte differs' if differ == 1 else 'bytes differ'}"


def recorded(tool, folder):
    """What the checkpoint records; nothing while it is not there or half written."""
    try:
        return tool.recorded(folder)
    except (OSError, ValueError, KeyError, LookupError, subprocess.CalledProcessError):
        return 0


def wait_until(holds, who):
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, f"{who} does not get on"
        time.sleep(0.02)


def only(pattern):
    found = glob.glob(pattern)
    if len(found) != 1:
        raise LookupError(f"{pattern}: {found}")
    return found[0]


def end_of(folder):
    return f"{folder}.end"


def leftovers(folder):
    """The kinds of files beside the destination."""
    kinds = {".part": "partial file", ".ossget": "checkpoint", ".dcp": "checkpoint"}
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            if path != folder:
                found.append("checkpoint")
            elif name != FILE:
                found.append(kinds.get(os.path.splitext(name)[1], "partial file"))
    return sorted(found)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def check(result, corruption):
    """What this project promises of its own."""
    wanted = Result("ossget", corruption.name, "success", "right", corruption.must_fetch, [])
    assert result == wanted, f"\n{result}\nbut must be\n{wanted}"


def compare(lines, committed):
    """Says which results are not those that are written down."""
    with open(committed) as file:
        known = {line.rstrip("\n") for line in file}
    for line in lines:
        if line not in known:
            print(f"note: {committed} says otherwise: {line}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    identity_arguments(parser)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--ossget", required=True)
    parser.add_argument("--committed", help="the results that are written down")
    args = parser.parse_args()

    who = identity(args, args.endpoint, "v4")
    body = random.Random(9).randbytes(SIZE)
    sdk_oss2.Sdk(who).put(KEY, body)
    oss2_name = f"oss2 {version('oss2')}"
    v2_name = f"oss-v2 {version('alibabacloud-oss-v2')}"
    ours = Ossget(args.ossget, who)
    tools = [
        ours,
        Oss2(oss2_name, lambda: sdk_oss2.Sdk(who)),
        PythonV2(v2_name, lambda: sdk_v2.Sdk(who)),
        PythonV2(f"{v2_name}, verify_data=True", lambda: sdk_v2.Sdk(who), verify_data=True),
        Ossget(args.ossget, who, "--resume-verify", "bounds"),
    ]
    trial = Trial(Simulator(args.endpoint), body, args.dir)
    print(f"object of {SIZE} bytes, parts of {PART}, killed when {HALF} bytes were recorded")
    print(f"Python {platform.python_version()}; oss-v2 is alibabacloud-oss-v2\n")
    lines = []
    for tool in tools:
        for corruption in CORRUPTIONS:
            result = trial.run(tool, corruption)
            lines.append(result.line())
            print(lines[-1], flush=True)
            if tool is ours:
                check(result, corruption)
    if args.committed:
        compare(lines, args.committed)


if __name__ == "__main__":
    main()
