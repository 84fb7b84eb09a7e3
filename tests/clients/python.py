#!/usr/bin/env python3
"""The server against Python's WebSocket clients, which nobody here wrote: websockets, aiohttp,
websocket-client, and curl's own through curl_cffi.

    python.py target/release/barewire

Each client goes through the same checks, on a server of its own that does not compress and then, if it
can, on one that does. Prints a line for each client and check, then "N passed, M failed". What a client
has no call for stands in its `cannot`, with the reason, and is shown.
"""

import asyncio
import json
import re
import select
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import aiohttp
import websocket
import websockets.exceptions
from curl_cffi import CurlWsFlag
from curl_cffi.requests import WebSocket as CurlWebSocket
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

DEADLINE = 30  # seconds, for what takes milliseconds
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class Server:
    """The program on a free port, with messages of 16 MiB allowed unless it has flags of its own."""

    def __init__(self, *flags):
        flags = flags or ("--max-message", "17m")
        self.process = subprocess.Popen([sys.argv[1], "--bind", "127.0.0.1:0", *flags],
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.http = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        self.ws = self.http.replace("http", "ws", 1)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def publish(self, message, channel="ruby"):
        request = urllib.request.Request(f"{self.http}/publish?channel={channel}", message, method="POST")
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return answer.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


# ---- The clients: each can do the same few things ----


class Websockets:
    name = "websockets"
    windows = (9, 12, 15, None)
    cannot = {}

    def __init__(self, url, deflate=False, window=None):
        factory = ClientPerMessageDeflateFactory(server_max_window_bits=window, client_max_window_bits=True)
        opening = connect(url, compression=None, extensions=[factory] if deflate else None,
                          max_size=None, open_timeout=DEADLINE)
        self.socket = opening.__enter__()
        self.agreed = self.socket.response.headers.get("Sec-WebSocket-Extensions", "")

    def send(self, message):
        self.socket.send(message)

    def send_bad_text(self):
        self.socket.send(b"\xff", text=True)

    def send_fragments(self, pieces):
        self.socket.send(pieces)

    def ping(self, payload):
        assert self.socket.ping(payload).wait(DEADLINE), "no pong"

    def receive(self):
        return self.socket.recv(DEADLINE)

    def close(self, code, reason):
        self.socket.close(code, reason)
        return self.socket.protocol.close_rcvd.code

    def closed(self):
        try:
            self.socket.recv(DEADLINE)
        except websockets.exceptions.ConnectionClosed as closed:
            return closed.rcvd.code, closed.rcvd.reason
        raise AssertionError("a message came")

    def end(self):
        self.socket.close()


class Aiohttp:
    name = "aiohttp"
    windows = (9, 12, 15)  # it asks for one, or for no compression
    cannot = {}

    def __init__(self, url, deflate=False, window=None):
        self.loop = asyncio.new_event_loop()
        self.run(self.connect(url, (window or 15) if deflate else 0))

    async def connect(self, url, window):
        self.session = aiohttp.ClientSession()
        self.socket = await self.session.ws_connect(url, compress=window, max_msg_size=0, autoping=False)
        self.agreed = self.socket._response.headers.get("Sec-WebSocket-Extensions", "")

    def run(self, what):
        return self.loop.run_until_complete(asyncio.wait_for(what, DEADLINE))

    def send(self, message):
        self.run(self.socket.send_str(message) if isinstance(message, str) else self.socket.send_bytes(message))

    def send_bad_text(self):
        self.run(self.socket.send_frame(b"\xff", aiohttp.WSMsgType.TEXT))

    def send_fragments(self, pieces):
        # Its writer sets FIN on all it sends, so the frames are written past it.
        for index, piece in enumerate(piece.encode() for piece in pieces):
            first = (0x80 if index == len(pieces) - 1 else 0) | (0 if index else 1)
            self.socket._writer.transport.write(bytes([first, 0x80 | len(piece), 0, 0, 0, 0]) + piece)

    def ping(self, payload):
        self.run(self.socket.ping(payload))
        pong = self.run(self.socket.receive())
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, payload), pong

    def receive(self):
        message = self.run(self.socket.receive())
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return message.data

    def close(self, code, reason):
        self.run(self.socket.close(code=code, message=reason.encode()))
        return self.socket.close_code

    def closed(self):
        message = self.run(self.socket.receive())
        assert message.type == aiohttp.WSMsgType.CLOSE, message
        return message.data, message.extra

    def end(self):
        self.run(self.session.close())
        self.loop.close()


class WebsocketClient:
    name = "websocket-client"
    windows = ()
    cannot = {"compression": "it offers none"}

    def __init__(self, url, deflate=False, window=None):
        self.socket = websocket.create_connection(url, timeout=DEADLINE)

    def send(self, message):
        self.socket.send(message, websocket.ABNF.OPCODE_TEXT if isinstance(message, str)
                         else websocket.ABNF.OPCODE_BINARY)

    def send_bad_text(self):
        self.socket.send_frame(websocket.ABNF.create_frame(b"\xff", websocket.ABNF.OPCODE_TEXT))

    def send_fragments(self, pieces):
        for index, piece in enumerate(pieces):
            opcode = websocket.ABNF.OPCODE_CONT if index else websocket.ABNF.OPCODE_TEXT
            fin = int(index == len(pieces) - 1)
            self.socket.send_frame(websocket.ABNF.create_frame(piece, opcode, fin))

    def ping(self, payload):
        self.socket.ping(payload)
        opcode, frame = self.socket.recv_data_frame(control_frame=True)
        assert (opcode, frame.data) == (websocket.ABNF.OPCODE_PONG, payload), frame

    def receive(self):
        opcode, data = self.socket.recv_data()
        return data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else data

    def close(self, code, reason):
        self.socket.send_close(code, reason.encode())
        return self.closed()[0]

    def closed(self):
        opcode, frame = self.socket.recv_data_frame(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_CLOSE, frame
        return int.from_bytes(frame.data[:2], "big"), frame.data[2:].decode()

    def end(self):
        self.socket.shutdown()


class Curl:
    name = "curl"
    windows = ()
    cannot = {
        "compression": "it offers none",
        "our close is answered with its code": "it ends the connection without waiting for the answer",
    }

    def __init__(self, url, deflate=False, window=None):
        self.socket = CurlWebSocket(autoclose=False)
        self.socket.connect(url, timeout=DEADLINE)

    def send(self, message, more=0):
        flag = CurlWsFlag.TEXT if isinstance(message, str) else CurlWsFlag.BINARY
        data = message.encode() if isinstance(message, str) else message
        if data:
            self.socket.send(data, flag | more)
        else:
            self.socket.curl.ws_send(b"", flag | more)  # its own send has nothing to do then

    def send_bad_text(self):
        self.socket.send(b"\xff", CurlWsFlag.TEXT)

    def send_fragments(self, pieces):
        for piece in pieces[:-1]:
            self.send(piece, CurlWsFlag.CONT)
        self.send(pieces[-1])

    def frame(self):
        """A whole frame, of which curl hands out pieces."""
        until, data = time.monotonic() + DEADLINE, b""
        while time.monotonic() < until:
            try:
                piece, frame = self.socket.recv_fragment()
            except Exception as error:  # there is a code for "not yet", and no class
                assert getattr(error, "code", None) == 81, error
                select.select([self.socket.curl.getinfo(5242924)], [], [], 1)  # CURLINFO_ACTIVESOCKET
                continue
            data += piece
            if frame.bytesleft == 0:
                return data, frame.flags
        raise AssertionError("nothing came")

    def ping(self, payload):
        self.socket.ping(payload)
        data, flags = self.frame()
        assert flags & CurlWsFlag.PONG and data == payload, (data, flags)

    def receive(self):
        data, flags = self.frame()
        return data.decode() if flags & CurlWsFlag.TEXT else data

    def close(self, code, reason):
        raise NotImplementedError

    def closed(self):
        data, flags = self.frame()
        assert flags & CurlWsFlag.CLOSE, (data, flags)
        return int.from_bytes(data[:2], "big"), data[2:].decode()

    def end(self):
        self.socket.terminate()


CLIENTS = [Websockets, Aiohttp, WebsocketClient, Curl]


# ---- The checks: each gets a server, and what opens a client on a path of it ----


def text_and_binary_of_every_length(_, open):
    client = open("/echo")
    for length in [0, 1, 63, 64, 125, 126, 65535, 65536, 1 << 20, 16 << 20]:
        for message in ["x" * length, (bytes(range(256)) * (length // 256 + 1))[:length]]:
            client.send(message)
            answer = client.receive()
            assert answer == message, f"{length} {type(message).__name__} came back changed"
    client.send("\u20ac" * 1000)
    assert client.receive() == "\u20ac" * 1000


def fragments_are_one_message(_, open):
    client = open("/echo")
    for pieces in [["Hel", "", "lo"], ["x" * 100, "y" * 100]]:
        client.send_fragments(pieces)
        assert client.receive() == "".join(pieces)


def a_ping_is_answered(_, open):
    client = open("/echo")
    for payload in [b"?", b"x" * 125]:
        client.ping(payload)


def our_close_is_answered_with_its_code(_, open):
    assert open("/echo").close(4321, "bye") == 4321


def the_servers_close_has_its_code_and_reason(server, open):
    bad, listener = open("/echo"), open("/?channel=ruby")
    bad.send_bad_text()
    code, reason = bad.closed()
    assert code == 1007 and "UTF-8" in reason, (code, reason)
    server.stop()
    code, reason = listener.closed()
    assert code == 1001 and reason, (code, reason)


def a_channel_delivers_what_is_published(server, open):
    clients = [open("/?channel=ruby"), open("/?channel=ruby")]
    rows = json.dumps([{"id": number, "name": f"row {number}"} for number in range(400)])
    for message, expected in [(b"Hello\n", "Hello\n"), (b"", ""), (b"\xff\x00", b"\xff\x00"), (rows.encode(), rows)]:
        counted = server.publish(message)
        assert "2" in counted, counted
        for client in clients:
            assert client.receive() == expected


def a_thousand_messages_come_in_order(server, open):
    client = open("/?channel=ruby")
    for first in range(0, 1000, 100):
        for number in range(first, first + 100):
            server.publish(str(number).encode())
        for number in range(first, first + 100):
            assert client.receive() == str(number)


CHECKS = [
    text_and_binary_of_every_length,
    fragments_are_one_message,
    a_ping_is_answered,
    our_close_is_answered_with_its_code,
    a_channel_delivers_what_is_published,
    a_thousand_messages_come_in_order,
    the_servers_close_has_its_code_and_reason,  # the last, for it stops the server
]


# ---- What needs no client, or several ----


def an_offer_is_declined_unless_the_server_compresses():
    with Server() as server:
        client = Websockets(f"{server.ws}/echo", deflate=True)
        assert client.agreed == "", client.agreed
        client.send("x" * 1000)
        assert client.receive() == "x" * 1000


def a_message_over_the_limit_is_closed_with_1009():
    with Server("--deflate") as server:
        for deflate in (False, True):
            client = Websockets(f"{server.ws}/echo", deflate)
            client.send("x" * 65536)
            assert client.receive() == "x" * 65536
            client.send("x" * 65537)
            assert client.closed()[0] == 1009


def all_clients_and_windows_get_the_same():
    with Server("--deflate") as server:
        url = f"{server.ws}/?channel=ruby"
        clients = [kind(url, deflate=True, window=window) for kind in CLIENTS for window in kind.windows or (None,)]
        for message in ["short", "Hello, world. " * 1000, json.dumps(list(range(3000)))]:
            assert str(len(clients)) in server.publish(message.encode())
            for client in clients:
                assert client.receive() == message, client.name
        for client in clients:
            client.end()


def what_is_refused_is_refused_with_its_status():
    with Server() as server:
        for target, options, status in [
            ("/nowhere", {}, 404),
            ("/?channel=not-allowed", {}, 403),
            ("/echo", {"origin": "http://elsewhere.test"}, 403),
        ]:
            try:
                connect(server.ws + target, **options).__enter__()
            except websockets.exceptions.InvalidStatus as refused:
                assert refused.response.status_code == status, f"{target}: {refused}"
            else:
                raise AssertionError(f"{target} was accepted")
        try:
            server.publish(b"x", "not-allowed")
        except urllib.error.HTTPError as refused:
            assert refused.code == 403, refused
        else:
            raise AssertionError("published")


OTHERS = [
    an_offer_is_declined_unless_the_server_compresses,
    a_message_over_the_limit_is_closed_with_1009,
    all_clients_and_windows_get_the_same,
    what_is_refused_is_refused_with_its_status,
]


passed = failed = 0


def attempt(who, what, check):
    global passed, failed
    try:
        check()
        passed += 1
        print(f"ok      {who}: {what}")
    except Exception as error:  # whatever it is, the others still run
        failed += 1
        print(f"FAILED  {who}: {what}: {error!r}")


def run_checks(kind, deflate):
    def check_agreed(client, window):
        bits = f"; server_max_window_bits={window}" if window else ""
        # aiohttp asks for no window by asking for the largest.
        assert client.agreed in (AGREED + bits, AGREED if window in (None, 15) else None), client.agreed
        return client

    for index, check in enumerate(CHECKS):
        what = check.__name__.replace("_", " ")
        who = f"{kind.name}, compressed" if deflate else kind.name
        if what in kind.cannot:
            print(f"not     {who}: {what}: {kind.cannot[what]}")
            continue
        window = kind.windows[index % len(kind.windows)] if deflate else None

        def run():
            flags = ("--max-message", "17m", *(["--deflate"] if deflate else []))
            with Server(*flags) as server:
                clients = []

                def open(path):
                    clients.append(kind(server.ws + path, deflate, window))
                    return check_agreed(clients[-1], window) if deflate else clients[-1]

                try:
                    check(server, open)
                finally:
                    for client in clients:
                        client.end()

        attempt(who, what, run)


def main():
    for kind in CLIENTS:
        run_checks(kind, deflate=False)
        if "compression" in kind.cannot:
            print(f"not     {kind.name}: compression: {kind.cannot['compression']}")
        else:
            run_checks(kind, deflate=True)
    for check in OTHERS:
        attempt("all" if "all" in check.__name__ else "websockets", check.__name__.replace("_", " "), check)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
