"""Reads what a LANCE node wrote by docs/formats.md alone, and says what `lance segment inspect --json` must say of it.

    oracle.py files DATA_DIR      a line a file
    oracle.py batches TOPIC_DIR   a line a batch header
    oracle.py records TOPIC_DIR   a line a record
    oracle.py index TOPIC_DIR     a line an entry of both indexes
    oracle.py blocks JOURNAL_DIR  a line a journal block

Shares no code with LANCE. An assertion fails where the files themselves are not what docs/formats.md says.
"""

import base64
import json
import os
import re
import struct
import sys
import zlib

BATCH_HEADER = 133
NAME = re.compile(r"^(\d{20})_(\d{20})_(\d+)(?:-(\d+))?\.lnc$")


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def crc32c(data):
    table, crc = TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def key(timestamp, rest):
    return f"{timestamp:016x}{rest:016x}"


def text(data):
    try:
        return data.decode("utf-8"), "utf8"
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"


class Batch:
    """A batch header ("Segment"), and the payload behind it."""

    def __init__(self, data, at):
        assert data[at] == 0 and struct.unpack_from("<I", data, at + 1)[0] == 128
        head = data[at + 5 : at + BATCH_HEADER]
        assert head[0:4] == b"LNB1" and head[26:28] == b"\0\0" and head[36:40] == bytes(4) and head[120:128] == bytes(8)
        self.at = at
        (self.checksum, self.previous, self.payload_checksum, self.payload_len, self.count, self.flags) = struct.unpack_from("<IIIIIH", head, 4)
        self.topic, self.epoch = struct.unpack_from("<II", head, 28)
        (
            self.timestamp,
            self.sequence,
            self.record,
            self.offset,
            self.producer_ns,
            self.durable,
            self.term,
            self.log_index,
            self.producer_id,
            self.producer_sequence,
        ) = struct.unpack_from("<10Q", head, 40)
        assert self.checksum == crc32c(head[8:])
        self.payload = data[at + BATCH_HEADER : at + BATCH_HEADER + self.payload_len]
        assert len(self.payload) == self.payload_len and self.flags in (0, 1) and self.durable <= self.offset
        assert self.payload_checksum == (zlib.crc32(self.payload) if self.flags else crc32c(self.payload))
        self.length = BATCH_HEADER + self.payload_len

    def document(self):
        return {
            "position": self.at,
            "length": self.length,
            "checksum": self.checksum,
            "previous": self.previous,
            "payloadChecksum": self.payload_checksum,
            "payloadKind": "crc32" if self.flags & 1 else "crc32c",
            "payloadLength": self.payload_len,
            "recordCount": self.count,
            "topic": self.topic,
            "epoch": self.epoch,
            "baseRecord": self.record,
            "baseOffset": self.offset,
            "durableOffset": self.durable,
            "term": self.term,
            "logIndex": self.log_index,
            "producerSequence": self.producer_sequence,
            "sortKey": key(self.timestamp, self.sequence),
            "timestampNs": str(self.timestamp),
            "producerTimestampNs": str(self.producer_ns),
            "producerId": str(self.producer_id),
            "nodeId": self.sequence >> 48,
            "actorId": self.sequence >> 40 & 0xFF,
            "sequence": self.sequence & 0xFF_FFFF_FFFF,
        }

    def records(self):
        at, number = 0, 0
        while at < self.payload_len:
            kind, length = struct.unpack_from("<BI", self.payload, at)
            value = self.payload[at + 5 : at + 5 + length]
            assert len(value) == length and kind != 0
            document = {
                "position": self.at + BATCH_HEADER + at,
                "record": self.record + number,
                "offset": self.offset + at,
                "sortKey": key(self.timestamp, self.sequence + number),
                "timestampNs": str(self.timestamp),
                "type": kind,
            }
            if kind in (0x11, 0x12) and len(value) >= 8:
                document["producerTimestampNs"] = str(struct.unpack_from("<Q", value)[0])
                value = value[8:]
            if kind in (0x10, 0x12):
                size = struct.unpack_from("<H", value)[0]
                document["key"], document["keyEncoding"] = text(value[2 : 2 + size])
                value = value[2 + size :]
            document["value"], document["encoding"] = text(value)
            yield document
            at += 5 + length
            number += 1
        assert at == self.payload_len and number == self.count


def read(path):
    with open(path, "rb") as file:
        return file.read()


def batches_of(path):
    """The batches of a segment; asserts the chain, the places, the keys, the name and the fill."""
    data, at, before = read(path), 0, None
    offset, record, start, end = NAME.match(os.path.basename(path)).groups()
    batches = []
    while at + BATCH_HEADER <= len(data) and data[at + 1 : at + 5] != bytes(4):
        batch = Batch(data, at)
        if before:
            assert batch.previous == before.checksum and batch.offset == before.offset + before.payload_len
            assert batch.record == before.record + before.count
            assert (batch.timestamp, batch.sequence) > (before.timestamp, before.sequence + before.count - 1)
        else:
            assert (batch.offset, batch.record, batch.timestamp) == (int(offset), int(record), int(start))
        batches.append(batch)
        before, at = batch, at + batch.length
    assert not any(data[at:]) and (end is None or (len(data) == at and before.timestamp == int(end)))
    return data, batches


def index_of(path, batches):
    """The entries of both indexes; asserts that each is that of a batch."""
    idx, pos = read(path[:-3] + "idx"), read(path[:-3] + "pos")
    assert len(idx) == len(pos) and len(idx) % 24 == 0
    by_position, entries, before = {batch.at: batch for batch in batches}, [], -1
    for ordinal in range(len(idx) // 24):
        timestamp, rest, position = struct.unpack_from("<3Q", idx, ordinal * 24)
        offset, record, same = struct.unpack_from("<3Q", pos, ordinal * 24)
        batch = by_position[position]
        assert position == same and position > before and (ordinal > 0 or position == 0)
        assert (timestamp, rest, offset, record) == (batch.timestamp, batch.sequence, batch.offset, batch.record)
        entries.append(
            {
                "ordinal": ordinal,
                "position": position,
                "baseOffset": offset,
                "baseRecord": record,
                "sortKey": key(timestamp, rest),
                "timestampNs": str(timestamp),
            }
        )
        before = position
    return entries


def document(path, size, **own):
    return {
        "path": path,
        "state": None,
        "fileBytes": size,
        "recordBytes": 0,
        "batches": 0,
        "records": 0,
        "firstRecord": None,
        "lastRecord": None,
        "firstKey": None,
        "lastKey": None,
        "types": {},
        "index": {"entries": 0, "valid": 0},
        "problems": [],
        **own,
    }


def segment(path):
    data, batches = batches_of(path)
    entries = index_of(path, batches)
    types = {}
    for batch in batches:
        for one in batch.records():
            types[f"{one['type']:02x}"] = types.get(f"{one['type']:02x}", 0) + 1
    first, last = batches[0], batches[-1]
    return document(
        path,
        len(data),
        state="sealed" if "-" in os.path.basename(path) else "active",
        recordBytes=sum(batch.payload_len for batch in batches),
        batches=len(batches),
        records=sum(batch.count for batch in batches),
        firstRecord=first.record,
        lastRecord=last.record + last.count - 1,
        firstKey=key(first.timestamp, first.sequence),
        lastKey=key(last.timestamp, last.sequence + last.count - 1),
        types=types,
        index={"entries": len(entries), "valid": len(entries)},
    )


def blocks_of(path):
    """All whole blocks of a chunk ("Journal"), in the order in which they stand."""
    data, at, blocks = read(path), 0, []
    while at + 64 <= len(data):
        magic, checksum, generation, sequence, previous, length, count = struct.unpack_from("<4sIQQIII", data, at)
        oldest, durable, first = struct.unpack_from("<QQQ", data, at + 40)
        if magic != b"LNJ1" or crc32c(data[at + 8 : at + 64 + length]) != checksum:
            at += 4096
            continue
        entries = list(entries_of(data, at + 64, at + 64 + length))
        assert len(entries) == count and data[at + 36 : at + 40] == bytes(4)
        blocks.append(
            {
                "position": at,
                "length": length,
                "checksum": checksum,
                "previous": previous,
                "generation": generation,
                "sequence": sequence,
                "oldestGeneration": oldest,
                "durableSequence": durable,
                "firstSequence": first,
                "entries": entries,
            }
        )
        at += -(-(64 + length) // 4096) * 4096
    return len(data), blocks


def entries_of(data, at, end):
    while at < end:
        kind, length = data[at], struct.unpack_from("<I", data, at + 4)[0]
        assert data[at + 1 : at + 4] == bytes(3)
        body = at + 8
        topic, epoch = struct.unpack_from("<II", data, body)
        if kind in (1, 2):
            base, position = struct.unpack_from("<QQ", data, body + 8)
            carried = {"topic": topic, "epoch": epoch, "segment": base, "position": position, "at": body + 24, "length": length - 24}
            if kind == 1:
                yield {"kind": "batch", **carried, "batch": Batch(data, body + 24).document()}
            else:
                yield {"kind": "tail", **carried}
        elif kind == 3:
            yield {"kind": "watermark", "topic": topic, "epoch": epoch, "offset": struct.unpack_from("<Q", data, body + 8)[0]}
        else:
            assert kind == 4
            consumer, offset, seconds = struct.unpack_from("<QQQ", data, body + 8)
            yield {"kind": "commit", "topic": topic, "epoch": epoch, "consumer": str(consumer), "offset": offset, "committedAt": seconds}
        at += -(-(8 + length) // 8) * 8


def chunk(path):
    size, blocks = blocks_of(path)
    newest = max((block["generation"] for block in blocks), default=None)
    blocks = [block for block in blocks if block["generation"] == newest]
    kinds = [entry["kind"] for block in blocks for entry in block["entries"]]
    last = blocks[-1] if blocks else None
    own = {
        "blocks": len(blocks),
        "end": last["position"] + -(-(64 + last["length"]) // 4096) * 4096 if last else 0,
        "batches": kinds.count("batch"),
        "tails": kinds.count("tail"),
        "watermarks": kinds.count("watermark"),
        "commits": kinds.count("commit"),
    }
    if last:
        own |= {"generation": newest, "firstSequence": blocks[0]["sequence"], "lastSequence": last["sequence"]}
    return document(path, size, journal=own)


def start(path):
    data = read(path)
    magic, checksum, generation, sequence, count, zero = struct.unpack_from("<4sIQQII", data)
    assert magic == b"LNS1" and checksum == crc32c(data[8:]) and zero == 0 and len(data) == 32 + 16 * count
    durable = [struct.unpack_from("<IIQ", data, 32 + 16 * n) for n in range(count)]
    own = {
        "nextGeneration": generation,
        "nextSequence": sequence,
        "durable": [{"topic": topic, "epoch": epoch, "offset": offset} for topic, epoch, offset in durable],
    }
    return document(path, len(data), start=own)


def commits(path):
    data = read(path)
    magic, checksum, count, zero = struct.unpack_from("<4sIII", data)
    assert magic == b"LCO1" and checksum == crc32c(data[8:]) and zero == 0 and len(data) == 16 + 32 * count
    own = []
    for n in range(count):
        topic, epoch, consumer, offset, seconds = struct.unpack_from("<IIQQQ", data, 16 + 32 * n)
        own.append({"topic": topic, "epoch": epoch, "consumer": str(consumer), "offset": offset, "committedAt": seconds})
    return document(path, len(data), committed=own)


def counters(path):
    data = read(path)
    magic, version, pid, stride, begun, first = struct.unpack_from("<4sIIIQQ", data)
    count, heartbeat = struct.unpack_from("<I", data, 64)[0], struct.unpack_from("<Q", data, 128)[0]
    assert magic == b"LNCF" and version == 1
    values = []
    for n in range(count):
        at = first + n * stride
        number, kind, unit, sub, bits, position = struct.unpack_from("<IBBBBQ", data, at)
        name_bytes, label_bytes = data[at + 20], data[at + 21]
        labels = data[at + 80 : at + 80 + label_bytes].decode()
        value = {
            "key": number,
            "name": data[at + 32 : at + 32 + name_bytes].decode(),
            "labels": dict(pair.split("=", 1) for pair in labels.split(",") if "=" in pair),
            "kind": {1: "counter", 2: "gauge", 3: "histogram"}[kind],
            "unit": {0: "count", 1: "bytes", 2: "nanoseconds"}[unit],
        }
        if kind != 3:
            value["value"] = struct.unpack_from("<Q", data, position)[0]
        else:
            _, total, least, most = struct.unpack_from("<QQQQ", data, position)
            buckets = struct.unpack_from(f"<{(bits - sub + 1) << sub}Q", data, position + 64)
            value |= {"count": sum(buckets), "sum": total, "min": least, "max": most}
            value |= {name: quantile(buckets, sub, most, at) for name, at in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))}
        values.append(value)
    return document(path, len(data), counters={"pid": pid, "startNs": str(begun), "heartbeatNs": str(heartbeat), "values": values})


def quantile(buckets, sub, most, share):
    """The middle of the bucket that the share lies in, never above the largest value ("Counters")."""
    total, seen = sum(buckets), 0
    rank = max(1, -int(-(share * total) // 1))
    for bucket, count in enumerate(buckets):
        seen += count
        if total and seen >= rank:
            if bucket < 2 << sub:
                return min(bucket, most)
            shift = (bucket >> sub) - 1
            return min(((bucket - (shift << sub)) << shift) + ((1 << shift) - 1) // 2, most)
    return 0


READERS = {".lnc": segment, ".lnj": chunk, ".lns": start, ".lco": commits, ".lcf": counters}


def files(data_dir):
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(data_dir) for name in names]
    for path in sorted(paths):
        name, extension = os.path.basename(path), os.path.splitext(path)[1]
        if os.path.basename(os.path.dirname(path)) == "spare":
            data = read(path)
            assert not any(data)
            yield document(path, len(data))
        elif extension in READERS:
            yield READERS[extension](path)
        elif name in ("metadata.json", "node.json"):
            data = read(path)
            yield document(path, len(data), **{name[:-5]: json.loads(data)})


def segments_in(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".lnc")]


def lines(mode, path):
    if mode == "files":
        yield from files(path)
    elif mode == "blocks":
        for name in sorted(name for name in os.listdir(path) if name.endswith(".lnj")):
            chunk_path = os.path.join(path, name)
            yield from ({"path": chunk_path, **block} for block in blocks_of(chunk_path)[1])
    else:
        for one in segments_in(path):
            _, batches = batches_of(one)
            if mode == "batches":
                yield from ({"path": one, **batch.document()} for batch in batches)
            elif mode == "records":
                yield from ({"path": one, **record} for batch in batches for record in batch.records())
            else:
                yield from ({"path": one, **entry} for entry in index_of(one, batches))


for line in lines(*sys.argv[1:3]):
    print(json.dumps(line))
