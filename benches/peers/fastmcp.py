#!/usr/bin/env python3
"""What FastMCP's verifiers cost, beside the comparison of the crates. Prints Markdown.

Needs fastmcp==4.1.2; where it is missing, a virtual environment is made for it under target/.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# This file would pass for the package of the same name.
sys.path[:] = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]

WANTED = "4.1.2"
ISSUER = "https://issuer.example.com"
API = "https://api.example.com/mcp"
ROUNDS, CALLS = 60, 100
CALLERS, DELAY = 200, 0.05


def with_fastmcp() -> None:
    """Runs this file again where FastMCP is, if it is not here."""
    try:
        from importlib.metadata import version

        if version("fastmcp") == WANTED:
            return
    except ImportError:
        pass
    environment = Path(__file__).resolve().parents[2] / "target" / f"fastmcp-{WANTED}"
    python = environment / "bin" / "python"
    if Path(sys.executable) == python:
        sys.exit(f"fastmcp {WANTED} cannot be had")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [python, "-m", "pip", "install", "--quiet", f"fastmcp=={WANTED}"]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    os.execv(python, [str(python), __file__])


with_fastmcp()

import httpx2  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier  # noqa: E402
from fastmcp.server.auth.providers.jwt import JWTVerifier  # noqa: E402
from joserfc import jwk, jwt  # noqa: E402

SECRET = "for tests only: a secret of sixty-four bytes that everyone knows"


def claims() -> dict:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": API,
        "sub": "alice",
        "client_id": "test-client",
        "iat": now,
        "exp": now + 3600,
        "jti": str(uuid.uuid4()),
        "scope": "mcp:read mcp:write",
        "sid": str(uuid.uuid4()),
        "email": "alice@example.com",
        "groups": ["engineering", "on-call", "eu-west"],
        "tenant": str(uuid.uuid4()),
        "auth_time": now,
    }


def pems(key) -> tuple[bytes, bytes]:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def jwt_case(algorithm: str) -> tuple[JWTVerifier, str]:
    """A verifier with a fixed key, and a token for it."""
    if algorithm == "HS256":
        key, public = jwk.OctKey.import_key(SECRET), SECRET
    elif algorithm == "ES256":
        private, public = pems(ec.generate_private_key(ec.SECP256R1()))
        key, public = jwk.ECKey.import_key(private), public.decode()
    else:
        private, public = pems(rsa.generate_private_key(65537, 2048))
        key, public = jwk.RSAKey.import_key(private), public.decode()
    token = jwt.encode({"alg": algorithm, "typ": "at+jwt", "kid": "key-1"}, claims(), key)
    verifier = JWTVerifier(public_key=public, issuer=ISSUER, audience=API, algorithm=algorithm)
    return verifier, token


class Endpoint(ThreadingHTTPServer):
    """An introspection endpoint on loopback that counts its requests."""

    request_queue_size = 1024
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.delay, self.requests = 0.0, 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/introspect"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: without this, the second waits for an acknowledgement.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.requests += 1
        time.sleep(self.server.delay)
        body = json.dumps({"active": True, **claims()}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def introspecting(
    endpoint: Endpoint, cache: int | None, client: httpx2.AsyncClient | None = None
) -> IntrospectionTokenVerifier:
    return IntrospectionTokenVerifier(
        introspection_url=endpoint.url,
        client_id="client",
        client_secret="secret",
        audience=API,
        cache_ttl_seconds=cache,
        http_client=client,
    )


async def turn(verifier, token: str, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        assert await verifier.verify_token(token) is not None
    return (time.perf_counter() - started) / calls * 1e6


async def times(endpoint: Endpoint) -> None:
    cases = [(f"JWT, {name}, verified", *jwt_case(name)) for name in ("RS256", "ES256", "HS256")]
    opaque = "2YotnFZFEjr1zCsicMWpAA2YotnFZFEjr1zCsicMWpAA"
    cases.append(("opaque token, cache hit", introspecting(endpoint, 300), opaque))
    cases.append(("RS256 token, introspected before, cache hit", introspecting(endpoint, 300), cases[0][2]))
    client = httpx2.AsyncClient(timeout=30)
    cases.append(
        ("opaque token, no cache, endpoint on loopback, one client kept", introspecting(endpoint, None, client), opaque)
    )
    cases.append(("the same with a client for each call, as by default", introspecting(endpoint, None), opaque))
    samples = {name: [] for name, _, _ in cases}
    for _, verifier, token in cases:
        await turn(verifier, token, 1)
    # About 5 ms for a turn.
    calls = {name: max(1, min(CALLS, int(5_000 / await turn(verifier, token, 2)))) for name, verifier, token in cases}
    for _ in range(ROUNDS):
        for name, verifier, token in cases:
            samples[name].append(await turn(verifier, token, calls[name]))
    print("| one verification | token, bytes | median |\n|---|--:|--:|")
    for name, _, token in cases:
        print(f"| {name} | {len(token)} | {statistics.median(samples[name]):.1f} µs |")


async def burst(endpoint: Endpoint, client: httpx2.AsyncClient | None, how: str) -> None:
    endpoint.delay, endpoint.requests = DELAY, 0
    verifier = introspecting(endpoint, 300, client)
    started = time.perf_counter()
    answers = await asyncio.gather(*(verifier.verify_token("opaque-1") for _ in range(CALLERS)))
    took = (time.perf_counter() - started) * 1e3
    good = sum(answer is not None for answer in answers)
    print(f"| {how} | {endpoint.requests} | {good} | {took:.0f} ms |")


async def bursts(endpoint: Endpoint) -> None:
    print(
        f"\n{CALLERS} first requests at once with one opaque token, cache on, an endpoint that takes {DELAY * 1e3:.0f} ms:\n"
    )
    print("| HTTP client | upstream calls | good answers | last answer after |\n|---|--:|--:|--:|")
    limits = httpx2.Limits(max_connections=CALLERS)
    await burst(endpoint, httpx2.AsyncClient(timeout=30, limits=limits), "one, kept")
    await burst(endpoint, None, "one for each call, as by default")


async def main() -> None:
    endpoint = Endpoint()
    await times(endpoint)
    await bursts(endpoint)


asyncio.run(main())
