import { Box, renderToString, Text } from 'ink';
import type { ReactElement } from 'react';
import type { BenchResult, Floor, Quantiles } from '../../bench/result.js';
import type { Sweep } from '../../bench/sweep.js';
import { bandwidth, rate, share, time } from '../../bench/units.js';
import { ThemeContext, useStyle } from '../topology/theme.js';
import { SweepTables } from './sweep.js';

const NAME = 22;

/** A line of a table: its name, then cells of one width. */
function Row({ name, cells, dim }: { name: string; cells: readonly string[]; dim?: boolean }): ReactElement {
  const style = useStyle();
  return (
    <Text wrap="truncate" {...style(dim ? { dimColor: true } : {})}>
      {`  ${name.padEnd(NAME)}${cells.map((cell) => cell.padStart(9)).join('')}`}
    </Text>
  );
}

function Heading({ text, cells = [] }: { text: string; cells?: readonly string[] }): ReactElement {
  const style = useStyle();
  return (
    <Text wrap="truncate">
      <Text {...style({ bold: true })}>{text.padEnd(NAME + 2)}</Text>
      <Text {...style({ dimColor: true })}>{cells.map((cell) => cell.padStart(9)).join('')}</Text>
    </Text>
  );
}

const cellsOf = ({ p50, p99, p999, max }: Quantiles): string[] => [p50, p99, p999, max].map(time);
const QUANTILES = ['p50', 'p99', 'p99.9', 'max'];

function Latencies({ result }: { result: BenchResult }): ReactElement {
  const { latency, service, floor, ratio, stages, steps, knee } = result;
  const passes = (result as { consume?: Record<string, { latency: Quantiles; ack?: Quantiles }> }).consume;
  const tail = passes?.tail;
  const least = ratio?.latencyFloor === 'groupCommit' ? 'ideal group commit' : ratio?.latencyFloor;
  const scheduled = result.config.rate !== 'max';
  return (
    <Box flexDirection="column">
      <Heading text="Latency" cells={QUANTILES} />
      <Row
        name={tail ? 'publish to deliver' : scheduled ? 'response (from due)' : 'ack'}
        cells={cellsOf(latency)}
      />
      {tail?.ack && <Row name="ack" cells={cellsOf(tail.ack)} />}
      {!tail && scheduled && <Row name="service (from sent)" cells={cellsOf(service)} />}
      {floor && (
        <>
          <Row name="floor: round trip" cells={cellsOf(floor.roundTrip)} dim />
          <Row name="floor: durable 4 KiB" cells={cellsOf(floor.dsync4k)} dim />
          {floor.groupCommit && <Row name="floor: group commit" cells={cellsOf(floor.groupCommit)} dim />}
          {floor.pipelineLatency && <Row name="bare pipeline" cells={cellsOf(floor.pipelineLatency)} dim />}
        </>
      )}
      {ratio && scheduled && (
        <Text wrap="wrap">
          {`  times the floor (${least}): ${[ratio.p50, ratio.p99, ratio.p999].map(share).join(', ')}`}
        </Text>
      )}
      {ratio?.pipeline && (
        <Text wrap="wrap">
          {`  times the bare pipeline on this schedule: ${Object.values(ratio.pipeline).map(share).join(', ')}`}
        </Text>
      )}
      {stages && (
        <>
          <Heading text="Stages of the node" cells={QUANTILES} />
          {Object.entries(stages).map(([name, quantiles]) => (
            <Row key={name} name={name.replace('_', ' to ')} cells={cellsOf(quantiles)} />
          ))}
        </>
      )}
      {steps && (
        <>
          <Heading text={`Ladder${knee ? `, knee ${rate(knee)}` : ''}`} cells={QUANTILES} />
          {steps.map((step) => (
            <Row
              key={step.rate}
              name={`${rate(step.rate)}${step.shortfall > 0 ? ' (missed)' : ''}`}
              cells={cellsOf(step.latency)}
            />
          ))}
        </>
      )}
    </Box>
  );
}

function Floors({ floor }: { floor: Floor }): ReactElement {
  const line = (name: string, bytes: number | null | undefined, more = ''): ReactElement | null =>
    bytes === undefined ? null : (
      <Text wrap="truncate">{`  ${name.padEnd(NAME)}${bandwidth(bytes).padStart(11)}  ${more}`}</Text>
    );
  const { policies, pipelinePerCpuSecond: per } = floor;
  const perCpu = (bytes: number | null): string =>
    bytes === null ? '' : `${bandwidth(bytes).replace('/s', '')} a CPU-second`;
  return (
    <Box flexDirection="column">
      <Heading text="Floor of this machine" />
      {line('disk, durable', floor.durableBytes, policies.durable)}
      {line('disk, unsynced', floor.writtenBytes, policies.written)}
      {line('disk, reading', floor.readBytes)}
      {line('loopback', floor.loopbackBytes)}
      {line('pipeline, durable', floor.pipelineDurableBytes, perCpu(per.durable))}
      {line('pipeline, written', floor.pipelineWrittenBytes, perCpu(per.written))}
      {line('pipeline, appending', floor.pipelineAppendBytes)}
      {line('pipeline, discarded', floor.pipelineDiscardBytes, perCpu(per.discard))}
      {line('read pipeline, disk', floor.pipelineReadBytes)}
      {line('read pipeline, log', floor.pipelineLogBytes)}
      {line('read pipeline, memory', floor.pipelineMemoryBytes)}
    </Box>
  );
}

function Throughputs({ result }: { result: BenchResult }): ReactElement {
  const { config, throughput, ratio, cpu, errors } = result;
  const passes = (result as { consume?: Record<string, { throughput: { bytes: number } }> }).consume;
  const style = useStyle();
  return (
    <Box flexDirection="column">
      <Text>
        <Text {...style({ bold: true })}>{bandwidth(throughput.bytes)}</Text>
        {`, ${rate(throughput.records)} records`}
        {ratio?.throughput == null
          ? ''
          : `: ${share(ratio.throughput)} of the floor (the ${ratio.throughputFloor} is the lower)`}
      </Text>
      {ratio?.append != null && (
        <Text>{`  ${share(ratio.append)} of a bare pipeline that appends to a growing file, as a log does`}</Text>
      )}
      {config.discard === true && cpu?.bytesPerNodeSecond != null && (
        <Text>
          {`${bandwidth(cpu.bytesPerNodeSecond).replace('/s', '')} a CPU-second of the node`}
          {ratio?.perCpuSecond == null ? '' : `: ${share(ratio.perCpuSecond)} of the bare pipeline's`}
        </Text>
      )}
      {passes &&
        Object.entries(passes).map(([mode, pass]) => (
          <Text key={mode}>{`  ${mode.padEnd(NAME)}${bandwidth(pass.throughput.bytes).padStart(11)}`}</Text>
        ))}
      {cpu?.node != null && (
        <Text {...style({ dimColor: true })}>
          {`CPU seconds: node ${cpu.node.toFixed(2)}, generator ${cpu.generator.toFixed(2)}, all but the generator ${cpu.other.toFixed(2)}`}
        </Text>
      )}
      {errors > 0 && <Text {...style({ color: 'red' })}>{`${errors} frames were refused or failed`}</Text>}
    </Box>
  );
}

/** A result as a person reads it: what came out, beside what the machine could do. */
export function ResultScreen({ result, columns }: { result: BenchResult; columns: number }): ReactElement {
  const { sweep } = result as { sweep?: Sweep };
  const { scenario, machine, notes, floor, runs, config, interrupted } = result;
  const style = useStyle();
  const size = `${machine.cpus} CPUs, Linux ${machine.kernel}, ${machine.fileSystem}`;
  return (
    <Box flexDirection="column">
      <Text wrap="wrap">
        <Text {...style({ bold: true })}>{`lance bench ${scenario}`}</Text>
        {` · ${config.durability}, ${result.seconds.toFixed(1)} s${runs.length > 1 ? `, medians of ${runs.length} runs` : ''}`}
        {interrupted ? ' · interrupted, this is what was measured until then' : ''}
      </Text>
      <Text wrap="wrap" {...style({ dimColor: true })}>
        {`${machine.cpu} · ${size}`}
      </Text>
      {scenario !== 'floor' && <Throughputs result={result} />}
      {scenario === 'floor' ? (
        floor && (
          <>
            <Heading text="Latency" cells={QUANTILES} />
            <Row name="round trip" cells={cellsOf(floor.roundTrip)} />
            <Row name="durable 4 KiB write" cells={cellsOf(floor.dsync4k)} />
            <Row name="unsynced 4 KiB write" cells={cellsOf(floor.write4k)} />
          </>
        )
      ) : (
        <Latencies result={result} />
      )}
      {sweep && <SweepTables sweep={sweep} columns={columns} />}
      {floor && <Floors floor={floor} />}
      {notes.map((note) => (
        <Text key={note} wrap="wrap" {...style({ color: 'yellow' })}>
          {note}
        </Text>
      ))}
    </Box>
  );
}

/** Draws a result as text, `columns` wide; without `colour` it holds no escape sequence. */
export function drawResult(result: BenchResult, options: { columns: number; colour: boolean }): string {
  return renderToString(
    <ThemeContext value={{ colour: options.colour }}>
      <ResultScreen result={result} columns={options.columns} />
    </ThemeContext>,
    { columns: options.columns },
  );
}
