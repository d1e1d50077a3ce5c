"""Requests to a Prefect server's API, made like those of Prefect's client: after 503, the answer of a busy
database, they ask again.
"""

from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient


def post(api_url: str, path: str, content: dict[str, Any]) -> Any:
    """Post `content` to `path` and return the content of the answer; raises `PrefectHTTPStatusError` for an error."""
    return _ask(api_url, "POST", path, json=content)


def get(api_url: str, path: str) -> Any:
    """Return the server's answer at `path`; raises `PrefectHTTPStatusError` for an error."""
    return _ask(api_url, "GET", path)


def _ask(api_url: str, method: str, path: str, **content: Any) -> Any:
    return SyncPrefectClient(api_url).request(cast(Any, method), cast(Any, path), **content).json()
