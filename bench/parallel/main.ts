/** The benches of parallel work by name: `npm run bench:parallel -- allreduce`; throughput of replicas where none is given. */

const benches = {
  throughput: () => import('./throughput.ts'),
  allreduce: () => import('./all-reduce.ts'),
  faults: () => import('./faults.ts'),
  memory: () => import('./memory.ts'),
} as const;

const name = process.argv[2] ?? '';
const isNamed = Object.hasOwn(benches, name);
if (isNamed) process.argv.splice(2, 1);
await benches[isNamed ? (name as keyof typeof benches) : 'throughput']();
