"""Which requests carry the token, and which the cookies."""

from __future__ import annotations

import os
from typing import Any, Optional, Union
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar

from ..errors import InvalidRequestError
from .address import Address


class TokenAuth(requests.auth.AuthBase):
    """Sends the token to the Space's own host, or to Hugging Face if it is from the environment.

    It is given to requests at every request, also without a token: requests would otherwise put a
    password from `~/.netrc` into its place.
    """

    def __init__(self, address: Address, token: Union[None, str, bool]) -> None:
        self._token: Optional[str] = None
        self._host: Optional[str] = None
        if isinstance(token, str):
            self._token = _token(token, "The token")
            self._host = urlsplit(asked_url(address.url)).netloc
        elif token is None:
            self._token = _token(os.environ.get("HF_TOKEN", ""), "HF_TOKEN") or None

    @property
    def is_given(self) -> bool:
        """Whether the token was given by name, which counts for more than one that was found."""
        return self._host is not None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        other = not self.is_given and "Authorization" in request.headers
        if self._token and not other and self._may_see(urlsplit(request.url or "")):
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _may_see(self, url: Any) -> bool:
        if self.is_given:
            return bool(url.netloc == self._host)
        host = url.hostname or ""
        return url.scheme == "https" and any(
            host == domain or host.endswith("." + domain)
            for domain in ("huggingface.co", "hf.space")
        )


class SecureCookies(RequestsCookieJar):
    """Cookies that came over https, such as a login's, go over https only."""

    def make_cookies(self, response: Any, request: Any) -> Any:
        cookies = super().make_cookies(response, request)
        if request.type == "https":
            for cookie in cookies:
                cookie.secure = True
        return cookies


def asked_url(url: str) -> str:
    """The root of an app as requests asks for it: a host in small letters, and ASCII only."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
    except (requests.RequestException, UnicodeError):
        return url  # nothing can be asked there, and the first request will say so
    return (request.url or url).rstrip("/")


def _token(token: str, name: str) -> str:
    token = token.strip()  # a file's last line ends with a newline
    if not (token.isascii() and token.isprintable()):
        # requests would show it in its own error.
        raise InvalidRequestError(f"{name} holds characters that no token has.")
    return token
