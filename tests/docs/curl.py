"""A stand-in for curl where the system has none: the options the pages use, and an error for any other."""

import argparse
import sys
import urllib.error
import urllib.request


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-N", "--no-buffer", action="store_true")
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("url")
    given = parser.parse_args(arguments)
    data = None if given.data is None else given.data.encode()
    request = urllib.request.Request(given.url, data=data)
    for header in given.header:
        name, _, value = header.partition(":")
        request.add_header(name, value.strip())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        response = opener.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        if given.include:
            lines = [f"HTTP/1.1 {response.status} {response.reason}"]
            lines += [f"{name.lower()}: {value}" for name, value in response.headers.items()]
            sys.stdout.write("\n".join(lines) + "\n\n")
        sys.stdout.write(response.read().decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
