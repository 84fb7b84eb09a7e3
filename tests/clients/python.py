#!/usr/bin/env python3
"""The server against Python's `websockets`, which nobody here wrote.

    python.py http://127.0.0.1:8080

The server must have /echo on, the channel `ruby`, publishing without a token, and --max-message of at
least 1 MiB. Prints one line for each check, then "N passed, M failed".
"""

import asyncio
import sys
import urllib.error
import urllib.request

import websockets
from websockets.asyncio.client import connect

DEADLINE = 20  # seconds, for what takes milliseconds

http = sys.argv[1].rstrip("/")
ws = http.replace("http", "ws", 1)


def publish(message: bytes, channel: str = "ruby") -> str:
    request = urllib.request.Request(f"{http}/publish?channel={channel}", data=message, method="POST")
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return answer.read().decode()


async def text_and_binary_of_every_length():
    async with connect(f"{ws}/echo", max_size=None) as client:
        for length in [0, 1, 125, 126, 65535, 65536, 1 << 20]:
            for message in ["x" * length, bytes(i % 256 for i in range(length))]:
                await client.send(message)
                answer = await client.recv()
                assert answer == message, f"{length} {type(message).__name__} came back changed"
        await client.send("\u20ac" * 1000)
        assert await client.recv() == "\u20ac" * 1000


async def fragments_are_one_message():
    async with connect(f"{ws}/echo") as client:
        await client.send(["Hel", "", "lo"])
        assert await client.recv() == "Hello"
        await client.send([b"\x00", b"\xff"])
        assert await client.recv() == b"\x00\xff"


async def a_ping_is_answered():
    async with connect(f"{ws}/echo") as client:
        for payload in [b"", b"?", b"x" * 125]:
            await (await client.ping(payload))


async def our_close_is_answered_with_its_code():
    async with connect(f"{ws}/echo") as client:
        await client.close(4321, "bye")
    assert client.protocol.close_rcvd.code == 4321, client.protocol.close_rcvd


async def bad_utf8_is_closed_with_1007():
    async with connect(f"{ws}/echo") as client:
        await client.send(b"\xff", text=True)
        try:
            await client.recv()
        except websockets.ConnectionClosedError as closed:
            assert closed.rcvd.code == 1007, closed
        else:
            raise AssertionError("it was accepted")


async def a_channel_delivers_what_is_published():
    async with connect(f"{ws}/?channel=ruby") as one, connect(f"{ws}/?channel=ruby") as two:
        for message, expected in [(b"Hello\n", "Hello\n"), (b"", ""), (b"\xff\x00", b"\xff\x00")]:
            counted = await asyncio.to_thread(publish, message)
            assert "2" in counted, counted
            for client in (one, two):
                assert await client.recv() == expected


async def a_thousand_messages_come_in_order():
    async with connect(f"{ws}/?channel=ruby", max_queue=None) as client:
        for first in range(0, 1000, 100):
            for number in range(first, first + 100):
                await asyncio.to_thread(publish, str(number).encode())
            for number in range(first, first + 100):
                assert await client.recv() == str(number)


async def what_is_refused_is_refused_with_its_status():
    for target, options, status in [
        ("/nowhere", {}, 404),
        ("/?channel=not-allowed", {}, 403),
        ("/echo", {"origin": "http://elsewhere.test"}, 403),
    ]:
        try:
            async with connect(ws + target, **options):
                raise AssertionError(f"{target} was accepted")
        except websockets.InvalidStatus as refused:
            assert refused.response.status_code == status, f"{target}: {refused}"
    try:
        await asyncio.to_thread(publish, b"x", "not-allowed")
    except urllib.error.HTTPError as refused:
        assert refused.code == 403, refused
    else:
        raise AssertionError("published")


CHECKS = [
    text_and_binary_of_every_length,
    fragments_are_one_message,
    a_ping_is_answered,
    our_close_is_answered_with_its_code,
    bad_utf8_is_closed_with_1007,
    a_channel_delivers_what_is_published,
    a_thousand_messages_come_in_order,
    what_is_refused_is_refused_with_its_status,
]


def main() -> int:
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            asyncio.run(asyncio.wait_for(check(), DEADLINE))
            print(f"ok      {name}")
        except Exception as error:  # whatever it is, the others still run
            failed += 1
            print(f"FAILED  {name}: {error!r}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
