import { span, type TopicReading } from '../../../sampling/index.js';
import type { Sort, TopState } from '../state.js';
import { clean, cutMiddle, joinFitting, padStart } from '../text.js';
import { glyphs, paint, type Theme } from '../theme.js';
import { byteRate, clock, number, rate, size, uptime } from '../words.js';
import type { Drawn, PanelInput } from './panel.js';

/** Topics that pass the filter, as sorted. */
export function shownTopics(
  topics: readonly TopicReading[],
  { filter, sort, descending }: Pick<TopState, 'filter' | 'sort' | 'descending'>,
): TopicReading[] {
  const wanted = filter.toLowerCase();
  const way = descending ? -1 : 1;
  return topics
    .filter((topic) => topic.name.toLowerCase().includes(wanted))
    .sort((a, b) => way * compare(a, b, sort) || byName(a, b));
}

/** Names are ASCII: a collation would cost more than all the rest of a frame of thousands of topics. */
const byName = (a: TopicReading, b: TopicReading): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

function compare(a: TopicReading, b: TopicReading, sort: Sort): number {
  if (sort === 'name') return byName(a, b);
  return keyOf(a, sort) - keyOf(b, sort);
}

function keyOf(topic: TopicReading, sort: Exclude<Sort, 'name'>): number {
  const key = {
    in: topic.bytes,
    out: topic.fetchedBytes,
    size: topic.size,
    end: topic.endOffset,
    lag: topic.lag,
  };
  return key[sort] ?? -1;
}

interface Column {
  readonly sort: Sort | undefined;
  readonly heading: string;
  readonly width: number;
  readonly cell: (topic: TopicReading) => string;
}

const or = (value: number | null, words: (value: number) => string): string =>
  value === null ? '-' : words(value);

/** In the order of their importance: the last ones go where there is no room. */
const COLUMNS: readonly Column[] = [
  { sort: 'in', heading: 'in', width: 9, cell: (t) => or(t.bytes, byteRate) },
  { sort: 'out', heading: 'out', width: 9, cell: (t) => or(t.fetchedBytes, byteRate) },
  { sort: 'size', heading: 'size', width: 8, cell: (t) => or(t.size, size) },
  { sort: 'end', heading: 'end', width: 14, cell: (t) => or(t.endOffset, String) },
  {
    sort: undefined,
    heading: 'cons',
    width: 4,
    cell: (t) => or(t.consumerCount, number),
  },
  { sort: 'lag', heading: 'lag', width: 8, cell: (t) => or(t.lag, size) },
  { sort: undefined, heading: 'records', width: 8, cell: (t) => or(t.records, rate) },
  { sort: undefined, heading: 'segs', width: 5, cell: (t) => or(t.segments, number) },
  { sort: undefined, heading: 'durability', width: 10, cell: (t) => t.durability ?? '-' },
];

/** The table of topics. */
export function topicsPanel(input: PanelInput): Drawn {
  const { reading, theme, width, height, state } = input;
  const topics = shownTopics(reading.topics, state);
  const title = titleOf(input, topics.length);
  const columns = columnsFor(width);
  const nameWidth = Math.max(8, width - 2 - columns.reduce((sum, column) => sum + column.width + 1, 0));
  const mark = glyphs(theme)[state.descending ? 'down' : 'up'];
  const headed = (text: string, sort: Sort | undefined): string =>
    sort === state.sort ? `${mark}${text}` : text;
  const rows = Math.max(1, height - 1);
  const selected = Math.min(state.selected, Math.max(0, topics.length - 1));
  const first = Math.min(Math.max(0, selected - rows + 1), Math.max(0, topics.length - rows));
  const body = topics
    .slice(first, first + rows)
    .map((topic, i) => [
      `${first + i === selected ? '>' : ' '} ${nameCell(theme, topic, nameWidth - 2)}`,
      ...columns.map((column) => padStart(column.cell(topic), column.width)),
    ]);
  return {
    title,
    body: {
      kind: 'table',
      headers: [
        `  ${headed('topic', 'name')}`,
        ...columns.map((column) => padStart(headed(column.heading, column.sort), column.width)),
      ],
      widths: [nameWidth, ...columns.map((column) => column.width)],
      rows: body,
      selected: topics.length === 0 ? undefined : selected - first,
    },
  };
}

function titleOf({ reading, theme, width, state }: PanelInput, shown: number): string {
  const all = reading.topicCount;
  const filter = state.filtering
    ? `filter: ${state.filter}_  (enter keeps it, esc clears it)`
    : state.filter === ''
      ? `by ${state.sort}`
      : `filter "${state.filter}" (esc clears it)  by ${state.sort}`;
  return joinFitting(
    [paint(theme, 'strong', 'topics'), shown === all ? String(all) : `${shown} of ${all}`, filter],
    width,
  );
}

function columnsFor(width: number): Column[] {
  const chosen: Column[] = [];
  let left = width - 2 - 16;
  for (const column of COLUMNS) {
    left -= column.width + 1;
    if (left < 0) break;
    chosen.push(column);
  }
  return chosen;
}

function nameCell(theme: Theme, topic: TopicReading, width: number): string {
  const state = topic.state === 'live' ? '' : ` [${topic.state}]`;
  return `${cutMiddle(theme, clean(theme, topic.name), width - state.length)}${state}`;
}

/** The topic that is chosen; undefined where none passes the filter. */
export function selectedTopic(topics: readonly TopicReading[], state: TopState): TopicReading | undefined {
  const shown = shownTopics(topics, state);
  return shown[Math.min(state.selected, shown.length - 1)];
}

/** Everything that is known of the chosen topic. */
export function topicDetail({ reading, state, theme, nowMs }: PanelInput): string[] {
  const topic = selectedTopic(reading.topics, state);
  if (topic === undefined) return ['There is no such topic any more.'];
  const { retention } = topic;
  const kept =
    retention === null
      ? 'for ever'
      : [
          ...(retention.maxAgeSecs > 0 ? [`for ${uptime(retention.maxAgeSecs)}`] : []),
          ...(retention.maxBytes > 0 ? [`up to ${size(retention.maxBytes)}`] : []),
        ].join(', ') || 'for ever';
  const behind =
    topic.endOffset !== null && topic.durableOffset !== null ? topic.endOffset - topic.durableOffset : null;
  const line = (name: string, value: string): string => `${name.padEnd(14)}${value}`;
  return [
    paint(theme, 'strong', `topic ${clean(theme, topic.name)}  (id ${topic.id})`),
    '',
    line(
      'state',
      topic.state === 'frozen' ? 'frozen: takes no writes until a restart, serves reads' : topic.state,
    ),
    line('durability', topic.durability ?? 'not known'),
    line('kept', kept),
    line('in', `${or(topic.bytes, byteRate)}   ${or(topic.records, rate)} records`),
    line('out', `${or(topic.fetchedBytes, byteRate)}   ${or(topic.fetchedRecords, rate)} records`),
    line('size', `${or(topic.size, size)} in ${or(topic.segments, String)} segments`),
    line('offsets', `${or(topic.firstOffset, String)} to ${or(topic.endOffset, String)}`),
    line('records', `${or(topic.firstRecord, String)} to ${or(topic.endRecord, String)}`),
    line('not durable', behind === null ? '-' : behind <= 0 ? 'nothing' : size(behind)),
    line(
      'last record',
      or(topic.lastWriteAt, (at) => `${span(nowMs / 1000 - at)} ago`),
    ),
    '',
    ...consumerLines(topic, theme, nowMs),
  ];
}

function consumerLines(
  { consumers, consumerCount, endOffset, lag }: TopicReading,
  theme: Theme,
  nowMs: number,
): string[] {
  if (consumers === null && consumerCount !== null && consumerCount > 0) {
    return [
      `consumers     ${consumerCount}, the last ${or(lag, size)} behind; asking for them one by one ...`,
    ];
  }
  if (consumers === null) return ['consumers     not known'];
  if (consumers.length === 0) return ['consumers     none has committed an offset'];
  const heading = `${'consumer'.padEnd(22)}${'committed'.padStart(16)}${'lag'.padStart(10)}  last commit`;
  const rows = [...consumers]
    .sort((a, b) => b.lag - a.lag)
    .map(
      ({ id, offset, lag, committedAt }) =>
        `${id.padEnd(22)}${String(offset).padStart(16)}${(endOffset === null ? '-' : size(lag)).padStart(10)}  ${clock(committedAt * 1000, nowMs)}`,
    );
  return [paint(theme, 'faint', heading), ...rows];
}
