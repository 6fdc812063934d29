"""Puts objects under keys that something in between may change, and tells what became of each.

In: the keys, a JSON array. Out: one JSON object for each, in order: the paths of the requests as
the simulator saw them, and what the SDK reported if it failed.
"""

import argparse
import importlib
import json
import sys

from sdk import identity, identity_arguments
from simulator import Simulator


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdk", choices=["oss2", "v2"], required=True)
    identity_arguments(parser)
    parser.add_argument("--dir", required=True)
    args = parser.parse_args()
    module = importlib.import_module(f"sdk_{args.sdk}")
    sdk = module.Sdk(identity(args, args.endpoint, "v4"))
    sim = Simulator(args.endpoint)
    for key in json.load(sys.stdin):
        sim.forget_requests()
        failed = None
        try:
            sdk.put(key, f"content of {key}".encode())
        except Exception as error:  # whatever it is, it is what the SDK reported
            failed = type(error.__cause__ or error).__name__
        paths = [asked["path"] for asked in sim.requests()]
        print(json.dumps({"paths": paths, "failed": failed}))


if __name__ == "__main__":
    main()
