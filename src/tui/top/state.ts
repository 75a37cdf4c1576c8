/** What fills the screen: everything at once, or one subject. */
export const PAGES = [
  'overview',
  'traffic',
  'latency',
  'agents',
  'device',
  'topics',
  'cluster',
  'machine',
  'events',
] as const;

export type Page = (typeof PAGES)[number];

/** How far back charts reach, s. */
export const WINDOWS = [60, 300, 900, 3_600] as const;

/** Columns that topics can be sorted by, in the order of the key. */
export const SORTS = ['in', 'out', 'size', 'end', 'lag', 'name'] as const;

export type Sort = (typeof SORTS)[number];

/** Everything that keys change. */
export interface TopState {
  readonly page: Page;
  /** Place of the node shown. */
  readonly node: number;
  readonly windowSeconds: number;
  /** The readings shown stay as they are. */
  readonly paused: boolean;
  /** Lies over the page. */
  readonly overlay: 'none' | 'help' | 'health' | 'topic';
  /** Charts show bytes or records. */
  readonly unit: 'bytes' | 'records';
  /** Frames a second: 1 or 5. */
  readonly fast: boolean;
  readonly sort: Sort;
  readonly descending: boolean;
  /** Topics whose name holds this are shown. */
  readonly filter: string;
  /** The filter is being typed. */
  readonly filtering: boolean;
  /** Place in the list of topics as sorted and filtered. */
  readonly selected: number;
  /** How many lines events and machine are scrolled. */
  readonly scroll: number;
  /** Place of the reading shown in a recording; undefined when live. */
  readonly replay: Replay | undefined;
}

/** Where a recording stands. */
export interface Replay {
  readonly at: number;
  readonly count: number;
  readonly speed: number;
}

/** What a key asks for beside another state. */
export type Wish = 'quit' | 'interrupt' | 'redraw' | 'suspend' | undefined;

/** What keys may depend on. */
export interface Surroundings {
  readonly nodes: number;
  /** Topics that pass the filter. */
  readonly topics: number;
  /** Rows of topics on the screen. */
  readonly pageRows: number;
}

export function firstState(replay?: Replay): TopState {
  return {
    page: 'overview',
    node: 0,
    windowSeconds: WINDOWS[0],
    paused: false,
    overlay: 'none',
    unit: 'bytes',
    fast: false,
    sort: 'in',
    descending: true,
    filter: '',
    filtering: false,
    selected: 0,
    scroll: 0,
    replay,
  };
}

/** A key as blessed names it, and the character it typed, if any. */
export interface Key {
  readonly name: string;
  readonly char: string | undefined;
}

/** What a key does. Any key at any time is fine; those without a meaning change nothing. */
export function press(state: TopState, key: Key, around: Surroundings): { state: TopState; wish: Wish } {
  const { name, char } = key;
  if (name === 'C-c') return { state, wish: 'interrupt' };
  if (name === 'C-l') return { state, wish: 'redraw' };
  if (name === 'C-z') return { state, wish: 'suspend' };
  if (state.filtering) return { state: typed(state, key), wish: undefined };
  if (name === 'q' && state.overlay === 'none') return { state, wish: 'quit' };
  if (state.overlay === 'help' || state.overlay === 'health') {
    return { state: { ...state, overlay: 'none' }, wish: undefined };
  }
  const next = navigated(state, name, around) ?? toggled(state, name, char, around) ?? state;
  return { state: next, wish: undefined };
}

function typed(state: TopState, { name, char }: Key): TopState {
  if (name === 'escape') return { ...state, filtering: false, filter: '', selected: 0 };
  if (name === 'enter' || name === 'return') return { ...state, filtering: false };
  if (name === 'backspace') return { ...state, filter: state.filter.slice(0, -1), selected: 0 };
  if (name === 'C-u') return { ...state, filter: '', selected: 0 };
  if (char !== undefined && /^[A-Za-z0-9._-]$/.test(char)) {
    return { ...state, filter: (state.filter + char).slice(0, 249), selected: 0 };
  }
  return state;
}

function navigated(state: TopState, name: string, around: Surroundings): TopState | undefined {
  const scrolls = state.page === 'events' || state.page === 'machine' || state.page === 'cluster';
  const move = (by: number): TopState => {
    if (state.replay !== undefined && !scrolls && state.page !== 'topics' && state.overlay === 'none')
      return state;
    if (scrolls) return { ...state, scroll: Math.max(0, state.scroll + by) };
    const last = Math.max(0, around.topics - 1);
    return { ...state, selected: Math.min(last, Math.max(0, Math.min(state.selected, last) + by)) };
  };
  switch (name) {
    case 'up':
    case 'k':
      return move(-1);
    case 'down':
    case 'j':
      return move(1);
    case 'pageup':
      return move(-Math.max(1, around.pageRows));
    case 'pagedown':
      return move(Math.max(1, around.pageRows));
    case 'home':
      return state.replay && state.page !== 'topics' ? seek(state, 0) : move(-Number.MAX_SAFE_INTEGER);
    case 'end':
      return state.replay && state.page !== 'topics'
        ? seek(state, state.replay.count - 1)
        : scrolls
          ? state
          : move(Number.MAX_SAFE_INTEGER);
    case 'left':
      return state.replay ? seek({ ...state, paused: true }, state.replay.at - 1) : undefined;
    case 'right':
      return state.replay ? seek({ ...state, paused: true }, state.replay.at + 1) : undefined;
    case 'tab':
      return {
        ...state,
        page: PAGES[(PAGES.indexOf(state.page) + 1) % PAGES.length] ?? 'overview',
        scroll: 0,
      };
    case 'escape':
      if (state.overlay !== 'none') return { ...state, overlay: 'none' };
      return state.filter === ''
        ? { ...state, page: 'overview', scroll: 0 }
        : { ...state, filter: '', selected: 0 };
    case 'enter':
    case 'return':
      if (around.topics === 0) return state;
      return { ...state, overlay: state.overlay === 'topic' ? 'none' : 'topic' };
    default:
      return undefined;
  }
}

function toggled(
  state: TopState,
  name: string,
  char: string | undefined,
  { nodes }: Surroundings,
): TopState | undefined {
  const page = /^[1-9]$/.test(char ?? '') ? PAGES[Number(char) - 1] : undefined;
  if (page !== undefined) return { ...state, page, scroll: 0, overlay: 'none' };
  switch (char ?? name) {
    case '?':
      return { ...state, overlay: 'help' };
    case 'h':
      return { ...state, overlay: 'health' };
    case ' ':
    case 'p':
      return { ...state, paused: !state.paused };
    case 'w':
      return { ...state, windowSeconds: after(WINDOWS, state.windowSeconds) };
    case 'u':
      return { ...state, unit: state.unit === 'bytes' ? 'records' : 'bytes' };
    case 'f':
      return { ...state, fast: !state.fast };
    case 's':
      return sortBy(state, after(SORTS, state.sort));
    case 'r':
      return { ...state, descending: !state.descending };
    case '/':
      return {
        ...state,
        page: state.page === 'overview' ? 'overview' : 'topics',
        filtering: true,
        overlay: 'none',
      };
    case 'n':
      return { ...state, node: nodes === 0 ? 0 : (state.node + 1) % nodes, selected: 0, scroll: 0 };
    case 'N':
      return { ...state, node: nodes === 0 ? 0 : (state.node + nodes - 1) % nodes, selected: 0, scroll: 0 };
    case 'q':
      return { ...state, overlay: 'none' };
    case '+':
      return state.replay && faster(state, 2);
    case '-':
      return state.replay && faster(state, 0.5);
    default:
      return undefined;
  }
}

function sortBy(state: TopState, sort: Sort): TopState {
  return { ...state, sort, descending: sort !== 'name', selected: 0 };
}

function seek(state: TopState, at: number): TopState {
  const { replay } = state;
  if (replay === undefined) return state;
  return { ...state, replay: { ...replay, at: Math.min(replay.count - 1, Math.max(0, at)) } };
}

function faster(state: TopState, times: number): TopState {
  const { replay } = state;
  if (replay === undefined) return state;
  return { ...state, replay: { ...replay, speed: Math.min(64, Math.max(0.25, replay.speed * times)) } };
}

/** The one after `value`, round and round. */
function after<T>(all: readonly T[], value: T): T {
  return all[(all.indexOf(value) + 1) % all.length] as T;
}
