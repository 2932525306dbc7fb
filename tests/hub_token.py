"""Tokens that people make at the Hub for their programs."""

from __future__ import annotations

from hub_help import LocalHub


def token_of(hub: LocalHub, person: str) -> str:
    """A new token of a person, made as the Hub's page *Token* makes it."""
    browser = hub.login(person)
    xsrf = next(one.value or "" for one in browser.cookies.jar if one.name == "_xsrf")
    url = f"{hub.url}hub/api/users/{person}/tokens"
    return str(browser.post(url, headers={"X-XSRFToken": xsrf}, json={}).json()["token"])
