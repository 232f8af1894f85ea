/**
 * TensorBoard event files: records of serialised `Event` messages.
 *
 *   record   uint64 length · masked CRC-32C of it · data · masked CRC-32C of the data     little-endian
 *   Event    1 wall_time double · 2 step int64 · 3 file_version string · 5 summary · 7 session_log
 *   Summary  1 value { 1 tag string · 2 simple_value float }
 *
 * Source   tensorflow/core/util/event.proto, summary.proto; tensorflow/core/lib/io/record_writer.h.
 */

import { maskedCrc32c } from '../../base/crc32c.ts';
import type { TrainLog } from './log.ts';

/**
 * Writes scalars `loss` (every `everySteps` updates, default 10, and `epoch/loss` per epoch) and the metric into a new event file in
 * `folder`. A run that goes on tells TensorBoard to forget the steps that it makes again.
 */
export function tensorBoardLog(folder: string, { everySteps = 10 }: { everySteps?: number } = {}): TrainLog {
  let path = '';
  const pending: Uint8Array[] = [];
  const scalar = (step: number, tag: string, value: number): void => {
    pending.push(record(event(step, summaryOf(tag, value))));
  };
  const flush = async (): Promise<void> => {
    const { appendFile } = await import('node:fs/promises');
    await appendFile(path, joined(pending.splice(0)));
  };
  return {
    async start(updates) {
      const { mkdir } = await import('node:fs/promises');
      await mkdir(folder, { recursive: true });
      path = `${folder}/events.out.tfevents.${Math.floor(Date.now() / 1000)}.${process.pid}.pare.${updates}`;
      pending.push(record(event(0, field(3, 'brain.Event:2'))));
      if (updates > 0) pending.push(record(event(updates + 1, message(7, varint(1, 1)))));
      await flush();
    },
    step(updates, loss) {
      if (updates % everySteps === 0) scalar(updates, 'loss', loss);
    },
    async epoch(updates, { loss, metric, samplesPerSecond }) {
      scalar(updates, 'epoch/loss', loss);
      scalar(updates, 'epoch/samples_per_second', samplesPerSecond);
      if (metric) scalar(updates, `epoch/${metric.name}`, metric.value);
      await flush();
    },
    end: flush,
  };
}

/** One event as bytes: wall time in seconds, step, and one more field. */
const event = (step: number, content: Uint8Array): Uint8Array =>
  joined([double(1, Date.now() / 1000), varint(2, step), content]);
const summaryOf = (tag: string, value: number): Uint8Array =>
  message(5, message(1, joined([field(1, tag), float(2, value)])));

/** Length, its checksum, data, its checksum. */
export function record(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return out;
}

/* ---- the five kinds of field that an event needs ---- */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

function bare(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}
const varint = (number: number, value: number): Uint8Array => Uint8Array.from([(number << 3) | VARINT, ...bare(value)]);
const message = (number: number, content: Uint8Array): Uint8Array =>
  joined([Uint8Array.from([(number << 3) | LENGTH, ...bare(content.length)]), content]);
const field = (number: number, text: string): Uint8Array => message(number, new TextEncoder().encode(text));
function double(number: number, value: number): Uint8Array {
  const out = new Uint8Array(9);
  out[0] = (number << 3) | FIXED64;
  new DataView(out.buffer).setFloat64(1, value, true);
  return out;
}
function float(number: number, value: number): Uint8Array {
  const out = new Uint8Array(5);
  out[0] = (number << 3) | FIXED32;
  new DataView(out.buffer).setFloat32(1, value, true);
  return out;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
