import { z } from 'zod';
import { parseEndpoints } from '../client/index.js';
import { formatAddress } from '../config/index.js';
import { LanceError } from '../errors.js';

const ConsumersDocument = z.object({
  consumers: z.array(
    z.object({ id: z.string(), offset: z.number(), lag: z.number(), committedAt: z.number() }),
  ),
});

/** A consumer's committed offset; `lag` is bytes to the end, `committedAt` seconds since 1970. */
export type CommittedConsumer = z.infer<typeof ConsumersDocument>['consumers'][number];

/**
 * The committed offsets of a topic, from the node's admin endpoint (LWP has no command to list them). Throws LanceError
 * when it does not answer, or does not know the topic.
 */
export async function fetchConsumers(
  admin: string,
  topic: string,
  timeout: number,
): Promise<CommittedConsumer[]> {
  const [address] = parseEndpoints(admin);
  const base = `http://${address ? formatAddress(address) : admin}`;
  const response = await fetch(`${base}/v1/topics/${encodeURIComponent(topic)}/consumers`, {
    signal: AbortSignal.timeout(timeout),
  }).catch((cause: unknown) => {
    throw new LanceError(`The admin endpoint ${base} does not answer.`, {
      code: 'UNREACHABLE',
      hint: 'See admin.bind of the node, and name it with --admin HOST:PORT.',
      cause,
    });
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (response.status === 404) {
    throw new LanceError(`There is no topic "${topic}".`, {
      code: 'TOPIC_NOT_FOUND',
      hint: 'See `lance topic list`.',
    });
  }
  const document = ConsumersDocument.safeParse(body);
  if (response.ok && document.success) return document.data.consumers;
  throw new LanceError(`${base} answered with ${response.status} and no list of consumers.`, {
    code: 'PROTOCOL',
    hint: 'Is it the admin endpoint of a LANCE node of this version?',
  });
}
