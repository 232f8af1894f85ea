/**
 * One piece of work in a process whose memory is measured; prints what came of it and the most memory it held.
 *
 *   inspect FILE              as `pare inspect --json`: bytes and MACs
 *   rewrite FILE TARGET       every rule, then writing; what no rule touched stays in the data file
 */

import { run } from '../../cli/run.ts';
import { readModelFile, writeModelFile } from '../../src/onnx/index.ts';
import { simplify } from '../../src/rewrite/index.ts';

const work: Record<string, (file: string, target: string) => Promise<object>> = {
  async inspect(file) {
    let said = '';
    const stdout = { write: (text: string) => (said += text) };
    const { signal } = new AbortController();
    await run(['inspect', file, '--json'], { stdout, stderr: process.stderr, env: {}, signal, version: '' });
    const { bytes, macs } = JSON.parse(said) as { bytes: number; macs: number };
    return { bytes, macs };
  },
  async rewrite(file, target) {
    const { model, report } = simplify(await readModelFile(file));
    await writeModelFile(target, model, { shareData: true });
    return { fired: report.fired.length };
  },
};

const [what, file, target = ''] = process.argv.slice(2) as [string, string, string?];
const came = await work[what]!(file, target);
process.stdout.write(JSON.stringify({ ...came, peakBytes: process.resourceUsage().maxRSS * 1024 }));
