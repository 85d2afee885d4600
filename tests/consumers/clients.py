"""Python's HTTP clients read, write, repeat and are refused, with a service of their own behind Larder."""

import asyncio
import gzip
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import requests

larder, port = sys.argv[1], int(sys.argv[2])
asked = []


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        asked.append(name)
        if name.startswith("gzip"):
            self.answer(200, gzip.compress(b'{"n": 1}'), Content_Encoding="gzip", Content_Type="application/json")
        elif name.startswith("moved"):
            self.answer(301, Location="/elsewhere")
        elif name.startswith("busy"):
            self.answer(429, b"slowly", Retry_After="1")
        elif name.startswith("refused"):
            self.answer(403, b'{"why": 1}', Content_Type="application/problem+json")
        else:
            if name.startswith("slow"):
                time.sleep(2)
            self.answer(200, b"value", Content_Type="text/plain", ETag='"v1"')

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers.get("If-Match")
        if known not in (None, '"v1"'):
            self.answer(412, b"newer")
        else:
            self.answer(201, ETag='"%d"' % len(body))

    def log_message(self, *_):
        pass


def of_requests():
    session = requests.Session()

    def ask(method, path, headers={}, body=None):
        answer = session.request(method, larder + path, headers=headers, data=body, timeout=10)
        return answer.status_code, answer.headers, answer.text

    return ask


def of_httpx(**options):
    client = httpx.Client(**options)

    def ask(method, path, headers={}, body=None):
        answer = client.request(method, larder + path, headers=headers, content=body, timeout=10)
        return answer.status_code, answer.headers, answer.text

    return ask


def of_aiohttp():
    loop = asyncio.new_event_loop()
    session = loop.run_until_complete(made())

    async def asking(method, path, headers, body):
        async with session.request(method, larder + path, headers=headers, data=pieces(body)) as answer:
            return answer.status, answer.headers, await answer.text()

    async def pieces_of(body):
        for piece in body:
            yield piece

    def pieces(body):
        return body if body is None or isinstance(body, bytes) else pieces_of(body)

    return lambda method, path, headers={}, body=None: loop.run_until_complete(asking(method, path, headers, body))


async def made():
    return aiohttp.ClientSession()


def tries(name, ask):
    at = lambda what: f"/v1/entries/service/{what}-{name}"

    def expect(status, got):
        assert got[0] == status, (name, got)
        return got

    for outcome in "fwd=uri-miss", "hit":
        _, headers, text = expect(200, ask("GET", at("gzip")))
        assert json.loads(text) == {"n": 1} and outcome in headers["Cache-Status"], (name, headers, text)
    _, headers, _ = expect(200, ask("GET", at("plain")))
    _, looked, text = expect(200, ask("HEAD", at("plain")))
    assert looked["Content-Length"] == "5" and text == "", (name, looked)
    expect(304, ask("GET", at("plain"), {"If-None-Match": headers["ETag"]}))

    _, headers, text = expect(201, ask("PUT", at("plain"), {"If-Match": '"v1"'}, b"12"))
    assert headers["ETag"] == '"2"' and json.loads(text)["origin_status"] == 201, (name, text)
    expect(412, ask("PUT", at("plain"), {"If-Match": '"v0"'}, b"12"))
    _, headers, _ = expect(201, ask("PUT", at("plain"), {}, iter([b"12", b"34"])))
    assert headers["ETag"] == '"4"', (name, headers)

    _, headers, text = expect(403, ask("GET", at("refused")))
    assert headers["Content-Type"] == "application/problem+json" and json.loads(text) == {"why": 1}, (name, text)
    _, _, text = expect(502, ask("GET", at("moved")))
    assert json.loads(text)["code"] == "origin_failed", (name, text)
    _, _, text = expect(504, ask("GET", at("slow"), {"Larder-Timeout-Ms": "200"}))
    assert json.loads(text)["code"] == "deadline_exceeded", (name, text)
    # An answer before the body was sent leaves a client that can go on asking. Over HTTP/2 httpx goes on
    # sending into the stream that the answer has ended, and fails by itself.
    for _ in range(0 if name == "httpx2" else 3):
        _, _, text = expect(413, ask("PUT", at("plain"), {}, b"x" * 2_000_000))
        assert json.loads(text)["code"] == "body_too_large", (name, text)
        expect(200, ask("GET", at("plain")))

    # None of them repeats by itself what it is told to ask later.
    _, headers, text = expect(429, ask("GET", at("busy")))
    assert headers["Retry-After"] == "1" and text == "slowly", (name, headers)
    _, headers, text = expect(503, ask("GET", at("other")))
    assert json.loads(text)["code"] == "origin_resting" and headers["Retry-After"] == "1", (name, text)
    assert asked.count(f"busy-{name}") == 1, asked
    time.sleep(1.2)
    expect(200, ask("GET", at("other")))


service = ThreadingHTTPServer(("127.0.0.1", port), Service)
threading.Thread(target=service.serve_forever, daemon=True).start()
for name, ask in {
    "requests": of_requests(),
    "httpx": of_httpx(),
    "httpx2": of_httpx(http1=False, http2=True),
    "aiohttp": of_aiohttp(),
}.items():
    tries(name, ask)
    print(f"{name}: as it should be")
