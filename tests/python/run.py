"""Runs one scenario with one SDK against a simulator that listens already."""

import argparse
import dataclasses
import importlib
import urllib.parse

import scenarios
from sdk import identity, identity_arguments
from simulator import Simulator, resolve_localhost_names


class Case:
    """One scenario's surroundings."""

    def __init__(self, module, identity, sim, folder):
        self.module, self.identity, self.sim, self.dir = module, identity, sim, folder
        self.sdk = self.connect()

    def connect(self, **changes):
        """The SDK with something else about the caller."""
        return self.module.Sdk(dataclasses.replace(self.identity, **changes))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdk", choices=["oss2", "v2"], required=True)
    parser.add_argument("--signature", choices=["v1", "v4"], required=True)
    parser.add_argument("--addressing", choices=["path", "virtual"], required=True)
    identity_arguments(parser)
    parser.add_argument("--dir", required=True)
    parser.add_argument("scenario")
    args = parser.parse_args()

    resolve_localhost_names()
    who = identity(args, addressed(args.endpoint, args.addressing), args.signature)
    module = importlib.import_module(f"sdk_{args.sdk}")
    log = Log(args.endpoint)
    getattr(scenarios, args.scenario)(Case(module, who, log, args.dir))
    log.forget_requests()
    check_log(log.past, module, args)


class Log(Simulator):
    """A simulator whose forgotten requests are kept for the check at the end."""

    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.past = []

    def forget_requests(self):
        self.past += self.requests()
        super().forget_requests()


def addressed(endpoint, addressing):
    """With an address SDKs put the bucket into the path, with a name into the host."""
    if addressing == "path":
        return endpoint
    port = urllib.parse.urlsplit(endpoint).port
    return f"http://oss.localhost:{port}"


def check_log(requests, module, args):
    """What was allowed was signed as told, and what was signed in headers came from the SDK."""
    allowed = [asked for asked in requests if asked["status"] < 400]
    assert allowed, "nothing was asked"
    for asked in allowed:
        form = asked["signature"]
        assert form in [f"{args.signature}-header", f"{args.signature}-query"], asked
        by_sdk = (asked["user_agent"] or "").startswith(module.USER_AGENT)
        assert by_sdk == form.endswith("header"), asked
    print(f"{args.scenario}: {len(requests)} requests, {len(allowed)} allowed")


if __name__ == "__main__":
    main()
