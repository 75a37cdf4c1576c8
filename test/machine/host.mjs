// Sends every datagram back to where it came from: traffic for the guest's receive queues.
import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');
socket.on('message', (message, from) => socket.send(message, from.port, from.address, () => {}));
socket.bind(7, '10.77.0.1');
