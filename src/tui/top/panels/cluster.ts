import { joinFitting } from '../text.js';
import { paint } from '../theme.js';
import { size } from '../words.js';
import type { Drawn, PanelInput } from './panel.js';

/** Roles, lag and evictions; without a cluster it says what that means. */
export function clusterPanel({ reading, theme, width, height, state }: PanelInput): Drawn {
  const { cluster, node } = reading;
  const name = paint(theme, 'strong', 'replication');
  if (cluster === null) {
    const alone = 'none: this node stands alone';
    const title = joinFitting([name, alone], width);
    const text = [
      // Where the title has no room for it.
      ...(title.includes(alone) ? [] : [`No cluster: this node stands alone.`]),
      'Every ack means this node has it on its own disk',
      '(or in its device, for topics that are "written").',
      'Nothing is copied: if the disk is lost, so is the data.',
      'A cluster is [replication] mode and peers in lance.toml.',
    ].flatMap((line) => wrap(line, width));
    return { title, body: { kind: 'text', lines: text.slice(0, height) } };
  }
  const title = joinFitting(
    [
      name,
      `node ${node.nodeId ?? '?'} is ${cluster.role}`,
      cluster.leaderId === undefined ? 'no leader' : `leader ${cluster.leaderId}`,
      `term ${cluster.term}`,
    ],
    width,
  );
  const rows = cluster.peers.map((peer) => {
    const state = peer.evicted ? paint(theme, 'warning', ' evicted ') : peer.state;
    return `node ${String(peer.id).padEnd(6)}${peer.lag === undefined ? '-' : size(peer.lag).padStart(9)} behind  ${state}`;
  });
  return {
    title,
    body: { kind: 'text', lines: rows.slice(state.page === 'cluster' ? state.scroll : 0).slice(0, height) },
  };
}

/** Words in lines of at most `width`. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
