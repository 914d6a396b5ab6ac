"""Setting up a running Open WebUI through its own API, as an administrator would on its screens."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from importlib import resources
from typing import Any

from moakit.errors import MoaError, UserError

FUNCTION = "moakit"
"""The Function's id, which stands before its models' names."""
HEADERS = {"X-MoA-Task": "{{TASK}}", "X-OpenWebUI-Chat-Id": "{{CHAT_ID}}"}
"""What Open WebUI fills in and sends with every request: which background task it is, and which chat."""
PATIENCE = 30.0
"""Seconds a request to Open WebUI may take."""


def function_source() -> str:
    """Return the text of the Function file."""
    file = resources.files("moakit.integrations") / "openwebui_function.py"
    return file.read_text(encoding="utf-8")


def function_form() -> dict[str, Any]:
    """Return the Function as Open WebUI imports it."""
    content = function_source()
    front = content.split('"""', 2)[1].strip().splitlines()
    manifest = {name: text.strip() for name, _, text in (line.partition(":") for line in front)}
    return {
        "id": FUNCTION,
        "name": manifest["title"],
        "content": content,
        "meta": {"description": manifest["description"], "manifest": manifest},
    }


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to another address."""

    def redirect_request(self, *arguments: Any) -> None:
        """Follow none."""


class OpenWebUI:
    """A running Open WebUI; `token` is an administrator's API key, or the token of a session."""

    def __init__(self, url: str, token: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise UserError(f"{url!r} is not an address", hint="an address looks like http://127.0.0.1:8080")
        if not token.isascii() or not token.isprintable():
            raise UserError("the token holds characters that no token has")
        self.url = url.rstrip("/")
        self._token = token
        self._opener = urllib.request.build_opener(_NoRedirects)

    def __repr__(self) -> str:
        return f"OpenWebUI({self.url!r})"

    def connect(self, base_url: str, key: str) -> bool:
        """Add the connection, or bring it up to date; the others stay. Return whether anything changed."""
        known = _mapping(self._call("GET", "/openai/config"))
        urls = list(known.get("OPENAI_API_BASE_URLS") or [])
        keys = [*(known.get("OPENAI_API_KEYS") or []), *[""] * len(urls)][: len(urls)]
        configs = dict(known.get("OPENAI_API_CONFIGS") or {})
        place = next((at for at, url in enumerate(urls) if url.rstrip("/") == base_url.rstrip("/")), None)
        if place is None:
            place = len(urls)
            urls.append(base_url)
            keys.append("")
        keys[place] = key
        # Older versions kept the settings under the address.
        own = configs.get(str(place)) or configs.get(urls[place]) or {}
        headers = {**(own.get("headers") or {}), **HEADERS}
        configs[str(place)] = {**own, "enable": True, "headers": headers}
        wanted = {
            "ENABLE_OPENAI_API": True,
            "OPENAI_API_BASE_URLS": urls,
            "OPENAI_API_KEYS": keys,
            "OPENAI_API_CONFIGS": configs,
        }
        if all(known.get(name) == value for name, value in wanted.items()):
            return False
        self._call("POST", "/openai/config/update", wanted)
        return True

    def reaches(self, base_url: str, key: str) -> str | None:
        """Return what keeps Open WebUI from our server, None when it lists our models."""
        try:
            self._call("POST", "/openai/verify", {"url": base_url, "key": key, "config": {}})
        except MoaError as error:
            return error.message
        return None

    def install(self, valves: Mapping[str, Any]) -> bool:
        """Install the Function or bring it up to date, turned on; return whether anything changed."""
        form = function_form()
        listed = self._call("GET", "/api/v1/functions/")
        known = next((one for one in listed if one.get("id") == FUNCTION), None)
        changed = known is None
        at = f"/api/v1/functions/id/{FUNCTION}"
        if known is None:
            known = _mapping(self._call("POST", "/api/v1/functions/create", form))
        elif _mapping(self._call("GET", at)).get("content") != form["content"]:
            self._call("POST", f"{at}/update", form)
            changed = True
        before = self._call("GET", f"{at}/valves") or {}
        if {**before, **valves} != before:
            self._call("POST", f"{at}/valves/update", {**before, **valves})
            changed = True
        if not known.get("is_active"):
            self._call("POST", f"{at}/toggle")
            changed = True
        return changed

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self.url}{path}",
            data if data is not None or method == "GET" else b"",
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=PATIENCE) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, path) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            hint = "is Open WebUI running, and the address right?"
            raise MoaError(f"no Open WebUI answers at {self.url}: {reason}", hint=hint) from error

    def _refused(self, error: urllib.error.HTTPError, path: str) -> MoaError:
        if 300 <= error.code < 400:
            where = error.headers.get("location", "elsewhere")
            return MoaError(f"{self.url} leads on to {where}", hint="give that address")
        if error.code in (401, 403) and path != "/openai/verify":
            hint = "it has to be an administrator's: Settings > Account > API Keys"
            return MoaError(f"Open WebUI at {self.url} refuses the token", hint=hint)
        try:
            told = json.loads(error.read())
            detail = told.get("detail") or told["error"]["message"]
        except (ValueError, KeyError, TypeError, AttributeError):
            detail = error.reason
        return MoaError(f"Open WebUI at {self.url} answers HTTP {error.code} to {path}: {detail}")


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MoaError("Open WebUI gave an answer that is not known", hint="moakit is tested with 0.12.4")
    return value
