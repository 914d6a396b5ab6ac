"""A real `moa serve` under schemathesis, which makes requests of its OpenAPI document, good ones and bad."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.fuzz.places import BUILD, OPENAPI
from tests.server.serving import KEY, serving
from tests.upstream import Upstream

LAB_KEY = "lab-key-1"
SERVED = """
default = "panel"

[providers.lab]
base_url = "${LAB_URL}"
api_key = "${LAB_KEY}"
price = 0
tokens_per_minute = 1e9
concurrency = 8

[ensembles.panel]
proposers = ["lab/one", "lab/two"]
aggregator = "lab/lead"
retries = 0

[ensembles.demo]
model = "demo/planner"

[server]
keys = ["${MOA_SERVER_KEY}"]
passthrough = true
"""
# A deadline that a request sets may pass, and a provider may fail; a 500 or 503 is a defect.
CHECKED = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "502", "504"]
"""
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance", "unsupported_method", "ignored_auth", "negative_data_rejection",
)  # fmt: skip


def fuzz(seconds: float) -> tuple[int, bool]:
    """Fuzz the server for some seconds; return how many requests were made, and whether one failed."""
    report = BUILD / "http.json"
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Upstream.in_thread(keys={LAB_KEY}) as upstream:
        environ = {"LAB_URL": upstream.base_url, "LAB_KEY": LAB_KEY, "MOA_SERVER_KEY": KEY}
        checked = Path(folder) / "schemathesis.toml"
        checked.write_text(CHECKED)
        narrowed = Path(folder) / "openapi.json"
        narrowed.write_text(json.dumps(_narrowed(json.loads(OPENAPI.read_text()))))
        with serving(Path(folder), SERVED, **environ) as served:
            command = [
                sys.executable, "-m", "schemathesis.cli", "--config-file", str(checked), "run", str(narrowed),
                "--url", f"http://127.0.0.1:{served.port}", "--header", f"Authorization: Bearer {KEY}",
                "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-time", f"{seconds:.0f}",
                "--request-timeout", "60", "--continue-on-failure", "--warnings", "off",
                "--suppress-health-check", "all", "--report-json-path", str(report),
            ]  # fmt: skip
            done = subprocess.run(
                command, cwd=folder, stdout=subprocess.PIPE, text=True, errors="replace", check=False
            )
            if done.returncode:
                sys.stderr.write(done.stdout)
            assert served.request("GET", "/readyz").status == 200
            assert upstream.calls, "no request got as far as a model"
    cases = re.search(r"(\d+) generated", done.stdout)
    return int(cases[1]) if cases else 0, done.returncode != 0


def _narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the names that this server knows, so that many requests are answered."""
    schemas = document["components"]["schemas"]
    schemas["Request"]["properties"]["model"] = {"enum": ["panel", "demo"]}
    layer = {"enum": ["lab/one", "lab/two", "demo/planner"]}
    many = {"type": "array", "items": layer, "minItems": 1, "maxItems": 4}
    schemas["Changes"]["properties"] |= {"proposers": many, "aggregator": layer, "fallback": layer}
    return document
