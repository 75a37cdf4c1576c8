// The other end of the test machine's wire: what clients on the network do to it. Sends every datagram back to where it came from, and
// for a line on TCP port 8 (`{"endpoint", "topic", "records"}`) produces random records over LWP, reads them back, and answers with a line.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { Admin, Consumer, Producer } from '../../dist/client/index.js';

const ADDRESS = '10.77.0.1';

const echo = createSocket('udp4');
echo.on('message', (message, from) => echo.send(message, from.port, from.address, () => {}));
echo.bind(7, ADDRESS);

/** From an empty record to one that is larger than a regular slab: every way from the socket to the disk. */
function recordBytes(at) {
  if (at % 500 === 250) return 300_000;
  return at % 100 === 0 ? 0 : randomInt(1, 4_000);
}

/** Length and bytes of each record: two streams with one digest hold the same records. */
function digestOf() {
  const hash = createHash('sha256');
  return {
    add(value) {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(value.length);
      hash.update(length).update(value);
    },
    hex: () => hash.digest('hex'),
  };
}

async function load({ endpoint, topic, records }) {
  const options = { endpoint, timeout: 120_000 };
  const admin = await Admin.open(options);
  await admin.createTopic(topic);
  admin.close();
  const sent = digestOf();
  let bytes = 0;
  const producer = await Producer.open({ ...options, topic });
  for (let at = 0; at < records; at += 1) {
    const value = randomBytes(recordBytes(at));
    sent.add(value);
    bytes += value.length;
    await producer.ready();
    // `flush` throws what went wrong with any of them.
    producer.send({ value }).catch(() => {});
  }
  await producer.flush();
  const { acked } = producer.stats;
  await producer.close();
  const got = digestOf();
  let read = 0;
  const consumer = await Consumer.open({ ...options, topic, from: 'earliest', follow: false });
  for await (const record of consumer) {
    got.add(record.value);
    read += 1;
  }
  consumer.close();
  return { records, bytes, acked, read, sent: sent.hex(), got: got.hex() };
}

createServer((socket) => {
  socket.on('error', () => {});
  createInterface({ input: socket }).once('line', async (line) => {
    const answer = await load(JSON.parse(line)).catch((error) => ({ error: error.stack }));
    socket.end(`${JSON.stringify(answer)}\n`);
  });
}).listen(8, ADDRESS);
