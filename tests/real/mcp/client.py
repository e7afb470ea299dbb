"""An MCP client that starts with nothing but an address.

    python client.py CLIENT URL TOOL...

CLIENT is `mcp`, which asks the server for its newest revision, `mcp-legacy`,
which begins with `initialize`, or `fastmcp`. The tools are called one after
the other on the same connection. What came of it goes to standard output as
JSON, as that of client.mjs does.
"""

import asyncio
import json
import sys
import threading
import time
import warnings
import webbrowser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

REDIRECT = "http://127.0.0.1:9/callback"  # nobody listens: it is read, never visited


def scope_of(address):
    return parse_qs(urlsplit(address).query)["scope"][0]


def browse(address):
    """Follows an authorization request through the pages of the provider to where they lead."""
    start = urlsplit(address).netloc
    with httpx2.Client() as browser:
        while urlsplit(address).netloc == start:
            response = browser.get(address)
            if not response.is_redirect:
                raise RuntimeError(f"{response.status_code} at {address}: {response.text}")
            address = urljoin(address, response.headers["location"])
    return address


class Storage:
    """What an application keeps for the SDK, and how often a client was registered."""

    tokens = None
    client = None
    registrations = 0

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client
        self.registrations += 1


async def with_mcp(mode, url, tools):
    storage, logins, answers = Storage(), [], []

    async def redirect(address):
        logins.append(scope_of(address))
        answers.append(await asyncio.to_thread(browse, address))

    async def callback():
        answer = parse_qs(urlsplit(answers.pop()).query)
        return AuthorizationCodeResult(
            code=answer["code"][0], state=answer["state"][0], iss=answer["iss"][0]
        )

    auth = OAuthClientProvider(
        url,
        OAuthClientMetadata(client_name="client.py", redirect_uris=[REDIRECT]),
        storage,
        redirect_handler=redirect,
        callback_handler=callback,
    )
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http_client:
        transport = streamable_http_client(url, http_client=http_client)
        async with Client(transport, mode=mode) as client:
            results = [await client.call_tool(tool, {}) for tool in tools]
            revision = client.protocol_version
    return revision, results, logins, storage.registrations


class Browser(webbrowser.BaseBrowser):
    """The browser that FastMCP opens: it ends at the server that FastMCP starts afterwards."""

    def __init__(self):
        super().__init__("client.py")
        self.logins = []

    def open(self, url, new=0, autoraise=True):
        self.logins.append(scope_of(url))
        threading.Thread(target=self.visit, args=[url], daemon=True).start()
        return True

    def visit(self, url):
        answer = browse(url)
        for _ in range(500):
            try:
                httpx2.get(answer)
                return
            except httpx2.ConnectError:
                time.sleep(0.02)


async def with_fastmcp(url, tools):
    import fastmcp
    from fastmcp.client.auth import OAuth

    warnings.simplefilter("ignore")  # that tokens are kept in memory
    browser = Browser()
    webbrowser.register("client.py", None, browser, preferred=True)
    auth = OAuth(callback_host="127.0.0.1", callback_timeout=30)
    async with fastmcp.Client(url, auth=auth) as client:
        results = [await client.call_tool(tool, {}) for tool in tools]
        revision = client.protocol_version
    return revision, results, browser.logins, None


async def main(client, url, *tools):
    if client == "fastmcp":
        outcome = await with_fastmcp(url, tools)
    else:
        outcome = await with_mcp({"mcp": "auto", "mcp-legacy": "legacy"}[client], url, tools)
    revision, results, logins, registrations = outcome
    for result in results:
        if getattr(result, "is_error", False):
            raise RuntimeError(result)
    texts = [result.content[0].text for result in results]
    print(
        json.dumps(
            {
                "revision": revision,
                "results": texts,
                "logins": logins,
                "registrations": registrations,
            }
        )
    )


asyncio.run(main(*sys.argv[1:]))
