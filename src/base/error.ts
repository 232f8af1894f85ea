/** Errors as data: a code, a sentence, and what the reader needs to act. One place turns them into words. */

export interface ErrorDetail {
  /** The file, node, value or flag at fault, in the user's own names. */
  where?: string;
  expected?: string;
  got?: string;
  /** One thing to try; only ever computed, never guessed. */
  hint?: string;
  cause?: unknown;
}

/**
 * The only error that Pare throws on purpose.
 *
 * `code` is `room/what`, for instance `onnx/truncated`; codes that begin with `internal/` are faults of ours.
 */
export class PareError extends Error {
  readonly code: string;
  readonly detail: ErrorDetail;

  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'PareError';
    this.code = code;
    this.detail = detail;
  }

  /** The whole error as one paragraph: sentence, code, then the details that are known, one a line. */
  describe(): string {
    const { where, expected, got, hint } = this.detail;
    const rows = Object.entries({ where, expected, got, hint }).filter(([, text]) => text !== undefined);
    return [`${this.message} [${this.code}]`, ...rows.map(([key, text]) => `  ${key.padEnd(8)} ${text}`)].join('\n');
  }
}

/** A fault of ours, not of the input: asks for a report. */
export const internal = (what: string, cause?: unknown): PareError =>
  new PareError('internal/bug', `Pare made a mistake: ${what}.`, {
    hint: 'please report it with the model or command that led here',
    ...(cause !== undefined && { cause }),
  });

/** What the operating system refused: a full disk, a folder that may not be written. Undefined for other errors. */
function refusal(thrown: Error): PareError | undefined {
  const { syscall, path } = thrown as Error & { syscall?: string; path?: string };
  if (syscall === undefined) return undefined;
  return new PareError('file/refused', `The system refused: ${thrown.message}.`, {
    ...(path !== undefined && { where: path }),
    cause: thrown,
  });
}

/** The thrown value as a PareError; anything unknown becomes an internal fault that keeps its cause. */
export function asPareError(thrown: unknown): PareError {
  if (thrown instanceof PareError) return thrown;
  if (!(thrown instanceof Error)) return internal(String(thrown), thrown);
  return refusal(thrown) ?? internal(thrown.message, thrown);
}
