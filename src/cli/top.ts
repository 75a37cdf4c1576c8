import { ExitCode } from '../errors.js';
import { type Reading, Recorder, type Source, type TopEvent, Watcher } from '../sampling/index.js';
import {
  drawFrame,
  firstState,
  History,
  type Key,
  press,
  selectedTopic,
  shownTopics,
  type Theme,
  type TopScreen,
  type TopState,
  topicRows,
} from '../tui/top/index.js';

/** Events that are kept of each node. */
const EVENTS = 500;

/** A node on the dashboard: its last reading and what charts and log need of the past. */
class NodeView {
  reading: Reading | undefined;
  history = new History();
  events: TopEvent[] = [];

  constructor(readonly name: string) {}

  take(reading: Reading): void {
    this.reading = reading;
    this.history.push(reading);
    this.events.push(...reading.events);
    if (this.events.length > EVENTS) this.events.splice(0, this.events.length - EVENTS);
  }
}

/** How a dashboard is run. */
export interface DashboardOptions {
  readonly screen: TopScreen;
  readonly theme: Theme;
  /** Frames a second at the start: 1 or 5. */
  readonly fast: boolean;
  readonly record?: string | undefined;
}

/** Shows nodes, or a recording of them, until a key or a signal ends it. */
export class Dashboard {
  #nodes: NodeView[];
  #state: TopState;
  /** What is shown while paused: the views as they were. */
  #frozen: NodeView[] | undefined;
  #recorder: Recorder | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #finish: (code: number) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  private constructor(
    private readonly options: DashboardOptions,
    private readonly watchers: readonly Watcher[],
    private readonly recording: readonly Reading[],
  ) {
    this.#nodes = watchers.map((watcher) => new NodeView(watcher.name));
    this.#state = { ...firstState(), fast: options.fast };
  }

  /** A dashboard of running nodes. Throws SamplingError when `record` cannot be written. */
  static live(sources: readonly Source[], options: DashboardOptions): Dashboard {
    const watchers = sources.map((source) => new Watcher(source));
    const dashboard = new Dashboard(options, watchers, []);
    if (options.record !== undefined) dashboard.#recorder = Recorder.create(options.record);
    return dashboard;
  }

  /** A dashboard of what was recorded. */
  static replay(recording: readonly Reading[], options: DashboardOptions): Dashboard {
    const dashboard = new Dashboard(options, [], recording);
    const names = [...new Set(recording.map((reading) => reading.node.source))];
    dashboard.#nodes = names.map((name) => new NodeView(name));
    dashboard.#state = {
      ...dashboard.#state,
      replay: { at: 0, count: recording.length, speed: 1 },
    };
    return dashboard;
  }

  /** Runs until it is ended; resolves with the exit code. The terminal is as it was before, then, also when this rejects. */
  async run(): Promise<number> {
    const { screen } = this.options;
    const ended = new Promise<number>((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    const stop = (): void => this.#finish(ExitCode.interrupted);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
    for (const signal of signals) process.on(signal, stop);
    screen.onKey((key) => this.#guarded(() => this.#key(key)));
    screen.onResize(() => this.#guarded(() => this.#draw()));
    this.#draw();
    if (this.recording.length > 0) this.#play();
    else void this.#watch();
    try {
      return await ended;
    } finally {
      this.#ended = true;
      clearTimeout(this.#timer);
      for (const signal of signals) process.off(signal, stop);
      screen.close();
      this.#recorder?.close();
    }
  }

  /** What fails on the screen ends the dashboard, with the terminal put back. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** One look at all nodes, then the next one an interval after this one began. */
  async #watch(): Promise<void> {
    const began = Date.now();
    // A node that does not answer holds up nobody but itself.
    await Promise.all(
      this.watchers.map(async (watcher, i) => {
        const reading = await watcher.look();
        this.#guarded(() => {
          this.#recorder?.write(reading);
          this.#nodes[i]?.take(reading);
        });
      }),
    );
    // It may have been ended while a node was looked at: another timer would keep the process.
    if (this.#ended) return;
    this.#guarded(() => this.#draw());
    const interval = this.#state.fast ? 200 : 1_000;
    const wait = Math.max(interval / 4, began + interval - Date.now());
    this.#timer = setTimeout(() => void this.#watch(), wait);
  }

  /** Shows the recording's next reading when its time has come. */
  #play(): void {
    const { replay, paused } = this.#state;
    if (replay === undefined) return;
    this.#rebuild();
    this.#draw();
    const gap = (this.recording[replay.at + 1]?.sampledAt ?? 0) - (this.recording[replay.at]?.sampledAt ?? 0);
    const wait = Math.min(5_000, Math.max(20, (Math.max(0, gap) * 1_000) / replay.speed));
    this.#timer = setTimeout(
      () => {
        const { replay: now } = this.#state;
        if (!this.#state.paused && now !== undefined && now.at + 1 < now.count) {
          this.#state = { ...this.#state, replay: { ...now, at: now.at + 1 } };
        }
        this.#guarded(() => this.#play());
      },
      paused ? 200 : wait,
    );
  }

  #shownTo = -1;

  /** Brings the views to where the recording stands. */
  #rebuild(): void {
    const at = this.#state.replay?.at ?? 0;
    if (at < this.#shownTo) {
      this.#nodes = this.#nodes.map(({ name }) => new NodeView(name));
      this.#shownTo = -1;
    }
    for (const reading of this.recording.slice(this.#shownTo + 1, at + 1)) {
      this.#nodes.find(({ name }) => name === reading.node.source)?.take(reading);
    }
    this.#shownTo = at;
  }

  #key(key: Key): void {
    const view = this.#view();
    const { screen } = this.options;
    const { state, wish } = press(this.#state, key, {
      nodes: this.#nodes.length,
      topics: shownTopics(view?.reading?.topics ?? [], this.#state).length,
      pageRows: topicRows({ width: screen.width, height: screen.height, state: this.#state }),
    });
    if (state.paused && !this.#state.paused && state.replay === undefined) {
      this.#frozen = this.#nodes.map(copyOf);
    } else if (!state.paused) this.#frozen = undefined;
    const moved = state.replay?.at !== this.#state.replay?.at;
    this.watchers[state.node]?.focus(
      state.overlay === 'topic' ? selectedTopic(view?.reading?.topics ?? [], state)?.id : undefined,
    );
    this.#state = state;
    if (moved) this.#rebuild();
    if (wish === 'quit') this.#finish(ExitCode.done);
    else if (wish === 'interrupt') this.#finish(ExitCode.interrupted);
    else if (wish === 'suspend') screen.suspend();
    else if (wish === 'redraw') screen.redraw();
    else this.#draw();
  }

  #view(): NodeView | undefined {
    return (this.#frozen ?? this.#nodes)[this.#state.node];
  }

  #draw(): void {
    const { screen, theme } = this.options;
    const view = this.#view();
    screen.show(
      drawFrame({
        width: screen.width,
        height: screen.height,
        theme,
        state: this.#state,
        nodes: this.#nodes.map(({ name }) => name),
        reading: view?.reading,
        history: view?.history ?? new History(),
        events: view?.events ?? [],
        nowMs: view?.reading ? view.reading.sampledAt * 1000 : Date.now(),
      }),
    );
  }
}

/** A view that stays as it is while the node goes on: readings are never changed, histories and logs are. */
function copyOf(view: NodeView): NodeView {
  const copy = new NodeView(view.name);
  copy.reading = view.reading;
  copy.events = [...view.events];
  // The chart ends at the reading shown; what the history takes meanwhile lies beyond its right edge.
  copy.history = view.history;
  return copy;
}
