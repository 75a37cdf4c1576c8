"""Drives the published Python client against a node: produces records, consumes them, compares byte for byte.

Prints one line of JSON. Record i is `seed/i/` followed by pseudo-random bytes that `records` alone determines, so the
caller can compute the same ones.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import random
import sys

from lnc_client import (
    ClientConfig,
    LanceClient,
    Producer,
    ProducerConfig,
    StandaloneConfig,
    StandaloneConsumer,
    TlvRecord,
)
from lnc_client.errors import LanceError

BATCH = 500


def make_records(seed: int, count: int) -> list[bytes]:
    rng = random.Random(seed)
    out = []
    for index in range(count):
        body = f"{seed}/{index}/".encode()
        # Half of every record repeats, so that compression has something to do.
        body += b"lance" * rng.randrange(12) + rng.randbytes(rng.randrange(40))
        out.append(body)
    return out


def digest(records: list[bytes]) -> str:
    sha = hashlib.sha256()
    for record in records:
        sha.update(len(record).to_bytes(4, "little"))
        sha.update(record)
    return sha.hexdigest()


async def consume(address: str, topic_id: int, count: int, poll_timeout_s: float) -> list[bytes]:
    consumer = await StandaloneConsumer.connect(
        address,
        StandaloneConfig("interop", topic_id=topic_id, poll_timeout_s=poll_timeout_s),
    )
    out: list[bytes] = []
    empty = 0
    try:
        while len(out) < count and empty < 200:
            result = await consumer.poll()
            if result is None:
                empty += 1
                await asyncio.sleep(0.01)
                continue
            empty = 0
            out.extend(record.value for record in result.records)
        await consumer.commit()
    finally:
        await consumer.close()
    return out


async def roundtrip(args: argparse.Namespace) -> dict:
    host, _, port = args.address.rpartition(":")
    async with LanceClient(ClientConfig(host=host, port=int(port))) as client:
        topic = await client.create_topic(args.topic)
        latency = await client.ping()
    producer = await Producer.connect(args.address, ProducerConfig(compression=args.compress))
    records = make_records(args.seed, args.records)
    try:
        if args.pipelined:
            for record in records:
                await producer.send_async(topic.id, record)
            await producer.flush(timeout=120.0)
        else:
            for at in range(0, len(records), BATCH):
                await producer.send_batch(topic.id, [TlvRecord.raw(r) for r in records[at : at + BATCH]])
        pending = len(producer._pending_acks)
    finally:
        await producer.close()
    got = await consume(args.address, topic.id, args.records, args.poll_timeout)
    return {
        "topicId": topic.id,
        "sent": digest(records),
        "received": digest(got),
        "receivedRecords": len(got),
        "pendingAcks": pending,
        "pinged": latency >= 0,
    }


async def manage(args: argparse.Namespace) -> dict:
    """Every management call of the client, in an order in which one depends on the other."""
    host, _, port = args.address.rpartition(":")
    out: dict = {}
    async with LanceClient(ClientConfig(host=host, port=int(port))) as client:
        first = await client.create_topic_once(args.topic)
        out["created"] = {"id": first.id, "name": first.name, "epoch": first.topic_epoch}
        try:
            await client.create_topic_once(args.topic)
            out["again"] = "accepted"
        except LanceError as error:
            out["again"] = type(error).__name__
        # A fresh client has no cache: ensure_topic must find it through ListTopics.
        async with LanceClient(ClientConfig(host=host, port=int(port))) as other:
            out["ensured"] = (await other.ensure_topic(args.topic)).id
        out["listed"] = sorted(t.name for t in await client.list_topics())
        out["noRetention"] = (await client.get_topic(first.id)).retention is None
        kept = await client.set_retention(first.id, max_age_secs=3600, max_bytes=1 << 30)
        out["retention"] = [kept.retention.max_age_secs, kept.retention.max_bytes]
        second = await client.create_topic_with_retention(args.topic + "-kept", 60, 1 << 20)
        out["createdRetention"] = [second.retention.max_age_secs, second.retention.max_bytes]
        await client.subscribe(first.id, 0, 1 << 16, 77)
        await client.commit_offset(first.id, 77, 0)
        await client.delete_topic(second.id)
        out["deleted"] = second.name not in [t.name for t in await client.list_topics()]
        try:
            await client.get_topic(second.id)
            out["afterDelete"] = "found"
        except LanceError as error:
            out["afterDelete"] = type(error).__name__
        out["pings"] = [await client.ping() >= 0 for _ in range(5)]
    return out


async def tail(args: argparse.Namespace) -> dict:
    """Waits at the end with default time-outs, as the client does it: polls at 2**63 - 1 until something comes."""
    host, _, port = args.address.rpartition(":")
    async with LanceClient(ClientConfig(host=host, port=int(port))) as client:
        topic = await client.create_topic(args.topic)
    producer = await Producer.connect(args.address, ProducerConfig())
    consumer = await StandaloneConsumer.connect(args.address, StandaloneConfig("tail", topic_id=topic.id, poll_timeout_s=5.0))
    try:
        for index in range(10):
            await producer.send(topic.id, f"before {index}".encode())
        consumer.seek_to_end()
        idle = [await consumer.poll() for _ in range(5)]
        sent = [f"after {index}".encode() for index in range(10)]
        for record in sent:
            await producer.send(topic.id, record)
        got: list[bytes] = []
        for _ in range(100):
            result = await consumer.poll()
            if result is not None:
                got.extend(record.value for record in result.records)
            if len(got) >= len(sent):
                break
    finally:
        await consumer.close()
        await producer.close()
    return {"idle": [result is None for result in idle], "got": [g.decode() for g in got], "sent": [s.decode() for s in sent]}


def main() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["roundtrip", "manage", "tail"])
    parser.add_argument("--address", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compress", action="store_true")
    parser.add_argument("--pipelined", action="store_true")
    parser.add_argument("--poll-timeout", type=float, default=5.0)
    args = parser.parse_args()
    command = {"roundtrip": roundtrip, "manage": manage, "tail": tail}[args.command]
    print(json.dumps(asyncio.run(command(args))))


if __name__ == "__main__":
    main()
