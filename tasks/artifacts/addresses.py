"""Addresses of servers and stores: what of them may be shown, and where their secrets come from."""

import os
import re


def shown_address(url: str) -> str:
    """Return an address without secrets, for files and messages: scheme, host, port and path.

    >>> shown_address("https://alice:word@a.org:81/v/{video}.mp4?X-Amz-Signature=123#part")
    'https://a.org:81/v/{video}.mp4'
    >>> shown_address("s3://key:word@bucket/path?versionId=1"), shown_address("/mnt/store")
    ('s3://bucket/path', '/mnt/store')
    """
    address = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"^([a-z][a-z0-9+.-]*:)?//[^/]*@", r"\1//", address, flags=re.IGNORECASE)


def full_address(address: str | None, variable: str) -> str | None:
    """Return an address with its secrets; the environment variable holds these while the address is passed on.

    Addresses in parameters of flow runs have no secrets: Prefect keeps parameters in its database and shows them.
    """
    known = os.environ.get(variable, "")
    return known if address is not None and known and shown_address(known) == shown_address(address) else address
