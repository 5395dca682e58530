"""Calls every GET operation of a generated client and writes as JSON what came of each.

The argument is the name of the client's package. The input is JSON: the address, the token, and values of path parameters by name.
Operations with another path parameter are listed as skipped.
"""

import importlib
import inspect
import json
import pkgutil
import sys
from datetime import datetime

import httpx

PACKAGE = importlib.import_module(sys.argv[1])
API = importlib.import_module(f"{sys.argv[1]}.api")


def value_of(model):
    """Returns a decoded body as JSON again."""
    if isinstance(model, list):
        return [value_of(each) for each in model]
    return model.to_dict() if hasattr(model, "to_dict") else model


def differences(path, sent, decoded):
    """Lists where a decoded body differs from the one that was sent."""
    if isinstance(sent, dict) and isinstance(decoded, dict):
        names = sorted(sent.keys() | decoded.keys())
        return [each for name in names for each in differences(f"{path}.{name}", sent.get(name), decoded.get(name))]
    if isinstance(sent, list) and isinstance(decoded, list) and len(sent) == len(decoded):
        return [each for at, (a, b) in enumerate(zip(sent, decoded)) for each in differences(f"{path}[{at}]", a, b)]
    if sent == decoded or (isinstance(sent, str) and is_same_time(sent, decoded)):
        return []
    return [f"{path}: {sent!r} -> {decoded!r}"]


def is_same_time(sent, decoded):
    """Says whether two texts are the same time in different spellings."""
    try:
        return datetime.fromisoformat(sent) == datetime.fromisoformat(decoded)
    except (TypeError, ValueError):
        return False


def call(operation, client, parameters):
    response = operation.sync_detailed(**parameters, client=client)
    if response.parsed is None:
        return {"status": response.status_code, "problems": ["the status is not in the document"]}
    decoded = value_of(response.parsed)
    return {"status": response.status_code, "problems": differences("", json.loads(response.content), decoded)}


def main():
    given = json.load(sys.stdin)
    client = PACKAGE.AuthenticatedClient(given["url"], given["token"], timeout=httpx.Timeout(30))
    results, skipped = {}, []
    for module in pkgutil.walk_packages(API.__path__, f"{API.__name__}."):
        operation = importlib.import_module(module.name)
        if not hasattr(operation, "_get_kwargs"):
            continue
        name = module.name.rpartition(".")[2]
        required = [
            each.name
            for each in inspect.signature(operation._get_kwargs).parameters.values()
            if each.default is inspect.Parameter.empty
        ]
        # A GET has no body. Any text makes a path.
        if "body" in required or operation._get_kwargs(**{each: "-" for each in required})["method"] != "get":
            continue
        if all(each in given["parameters"] for each in required):
            results[name] = call(operation, client, {each: given["parameters"][each] for each in required})
        else:
            skipped.append(name)
    json.dump({"results": results, "skipped": skipped}, sys.stdout)


main()
