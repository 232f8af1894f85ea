/** Apache Parquet files as tables. */

import { PareError } from '../base/error.ts';
import type { Table } from './table.ts';

/**
 * The columns and rows in a Parquet file, as cells of text like those of a CSV file; null is an empty cell.
 *
 * Throws   data/parquet for a damaged file, and for columns that hold lists or records.
 */
export async function readParquet(bytes: Uint8Array, where: string): Promise<Table> {
  const [{ parquetMetadata, parquetReadObjects }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  let records: Record<string, unknown>[];
  let header: string[];
  try {
    const metadata = parquetMetadata(file);
    records = await parquetReadObjects({ file, metadata, compressors });
    header = Object.keys(records[0] ?? {});
  } catch (cause) {
    throw bad(where, 'a Parquet file', (cause as Error).message, cause);
  }
  if (!records.length) throw new PareError('data/empty', `"${where}" holds no rows.`, { where });
  const cell = (value: unknown, column: string): string => {
    if (value === null || value === undefined) return '';
    if (value instanceof Date) return value.toISOString();
    if (typeof value === 'object') throw bad(where, 'columns of numbers and texts', `lists or records in "${column}"`);
    return `${value}`;
  };
  return { header, rows: records.map((record) => header.map((column) => cell(record[column], column))) };
}

const bad = (where: string, expected: string, got: string, cause?: unknown): PareError =>
  new PareError('data/parquet', `"${where}" is not a table that Pare reads.`, { where, expected, got, cause });
