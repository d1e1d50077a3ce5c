"""A Prefect server's API, asked as Prefect's own client asks: 503, as a busy database answers, means to ask again."""

from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient


def post(api_url: str, path: str, content: dict[str, Any]) -> Any:
    """Post `content` to `path` and return the answer's; raises `PrefectHTTPStatusError` where it is an error."""
    return _ask(api_url, "POST", path, json=content)


def get(api_url: str, path: str) -> Any:
    """Return what the server says at `path`; raises `PrefectHTTPStatusError` where it is an error."""
    return _ask(api_url, "GET", path)


def _ask(api_url: str, method: str, path: str, **content: Any) -> Any:
    return SyncPrefectClient(api_url).request(cast(Any, method), cast(Any, path), **content).json()
