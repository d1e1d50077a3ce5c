"""A hub id -> an error when it cannot be fetched; checked before any work, in the cache first."""

import os

HUB_PATIENCE_S = 10.0
"""Seconds to wait for the hub's answer."""


class Unreachable(ValueError):
    """The hub or the store did not answer."""


def check_hub(name: str, option: str, files: tuple[str, ...]) -> None:
    """Check that a hub id is in the cache, or that the hub knows it."""
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or "\\" in name:
        raise ValueError(f"{option} {name}: there is no such file or folder, and it is no hub id (owner/name).")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, RepositoryNotFoundError

    try:
        if any(isinstance(huggingface_hub.try_to_load_from_cache(name, file), str) for file in files):
            return
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise Unreachable(f"{option} {name}: it is not in the hub's cache, and HF_HUB_OFFLINE forbids to fetch it.")
        huggingface_hub.HfApi().model_info(name, timeout=HUB_PATIENCE_S)
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"{option} {name}: there is no such folder, and the hub has no such model, or not for you. Mind the "
            "spelling, or log in (hf auth login)."
        ) from error
    except HFValidationError as error:
        raise ValueError(f"{option} {name}: that is no hub id (owner/name).") from error
    except (HTTPError, HfHubHTTPError, OSError) as error:
        raise Unreachable(
            f"{option} {name}: there is no such folder, and the hub cannot be reached ({type(error).__name__}). "
            "Connect, or download the model and name its folder."
        ) from error
