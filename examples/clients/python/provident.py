"""A client for Provident's HTTP interface: the standard library and nothing else.

One object per token (and, for a trusted backend, per user it acts for). What has no effect is repeated when the service
says "not now"; what changes something is repeated too, because it always carries an Idempotency-Key, so that it happens
once however often it is asked for. The document at /openapi.json says what there is to ask.
"""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Iterator

ATTEMPTS = 5
LONGEST_WAIT_S = 30.0
TIMEOUT_S = 40.0  # longer than the service takes at most, so that it is the one to give up


class Problem(Exception):
    """A refusal or a failure. `code` is stable and listed in docs/codes.md; `detail` is for people."""

    def __init__(self, status: int, body: dict[str, Any], request_id: str | None) -> None:
        self.status = status
        self.code: str = body.get("code", "not-a-problem")
        self.detail: str | None = body.get("detail")
        self.errors: list[dict[str, str]] = body.get("errors", [])
        self.active_binding_id: str | None = body.get("active_binding_id")
        self.request_id = request_id
        super().__init__(f"{status} {self.code}: {self.detail or 'no detail'} (request {request_id})")


class Unauthenticated(Problem):
    """401: no credential, or none that holds."""


class Forbidden(Problem):
    """403: the caller may know of it, and not do this."""


class NotFound(Problem):
    """404: it does not exist, or the caller may not know that it does. Nobody is told which."""


class Conflict(Problem):
    """409: it does not fit what is there; `active_binding_id` names the decision in the way, if there is one."""


class Refused(Problem):
    """400 and 422: the request cannot be right; `errors` names every rule that was broken."""


class NotNow(Problem):
    """429 and 503, after the last attempt."""


KINDS = {400: Refused, 401: Unauthenticated, 403: Forbidden, 404: NotFound, 409: Conflict, 422: Refused,
         429: NotNow, 503: NotNow}


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token goes to the service it is meant for, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Provident:
    def __init__(self, url: str, token: str, on_behalf_of: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if on_behalf_of:
            self._headers["Provident-On-Behalf-Of"] = on_behalf_of
        self._opener = urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}))

    def read(self, path: str, **parameters: Any) -> Any:
        """A GET. Parameters that are None are left out."""
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
        return self._send("GET", f"{path}?{query}" if query else path, None, {})

    def ask(self, path: str, body: Any) -> Any:
        """A POST that changes nothing: look-ups, keys."""
        return self._send("POST", path, body, {})

    def change(self, path: str, body: Any, key: str) -> Any:
        """A POST that changes something, once: `key` names this very change. Keep it if you may ask again later."""
        return self._send("POST", path, body, {"Idempotency-Key": key})

    def events(self, workspace: str, environment: str, after: int) -> Iterator[Any]:
        """What was done since the event numbered `after`. Keep the number of the last one you have dealt with."""
        while True:
            page = self.read(f"/v1/workspaces/{workspace}/audit-events", environment_id=environment, after=after,
                             limit=500)
            yield from page["items"]
            if page["next"] is None:
                return
            after = page["next"]

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | headers | ({} if data is None else {"Content-Type": "application/json"})
        for attempt in range(1, ATTEMPTS + 1):
            wait_s = 0.2 * 2**attempt
            request = urllib.request.Request(self._url + path, data, headers, method=method)
            try:
                with self._opener.open(request, timeout=TIMEOUT_S) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503) or attempt == ATTEMPTS:
                    raise problem(error) from None
                said = error.headers.get("Retry-After", "")
                wait_s = float(said) if said.isdecimal() else wait_s
            except (OSError, http.client.HTTPException):
                # Nobody answered: whether it was done is not known, and asking again is how to find out.
                if attempt == ATTEMPTS:
                    raise
            time.sleep(min(wait_s, LONGEST_WAIT_S))
        raise AssertionError("the last attempt returns or raises")


def problem(error: urllib.error.HTTPError) -> Problem:
    try:
        body = json.load(error)
    except ValueError:
        body = None
    kind = KINDS.get(error.code, Problem)
    return kind(error.code, body if isinstance(body, dict) else {}, error.headers.get("X-Request-Id"))
