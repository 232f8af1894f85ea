/** `pare doctor`: what this machine offers, and whether int8 is faster on it. */

import { showBytes, showTimes } from '../../src/base/unit.ts';
import type { Speedup } from '../../src/report/machine-speed.ts';
import type { Hardware, Lab } from '../../src/runtime/index.ts';
import { flag, path } from '../arg.ts';
import type { Desk } from '../desk.ts';
import { verb } from '../verb.ts';

export const doctor = verb({
  name: 'doctor',
  about: 'What this machine offers: providers, cores, int8 and fp16 speed against fp32, memory speed, MPI.',
  example: 'pare doctor --json',
  args: {
    probe: flag('Try every device; the drivers may print warnings of their own.'),
    fresh: flag('Measure again, though the cache remembers this machine.'),
    save: path('Write a profile of this machine, for pare optimize --target FILE on another.'),
  },
  async run({ probe, fresh, save }, desk) {
    const { hardware } = await import('../../src/runtime/profile.ts');
    const { knownMachine } = await import('../machine.ts');
    const { findMpi } = await import('../find-mpi.ts');
    const lab = await desk.lab();
    const machine = hardware(lab.engine);
    const devices = probe ? await usableDevices() : undefined;
    const { speed, isCached } = await knownMachine(lab, fresh);
    const { saturates } = await import('../../src/quantize/saturate.ts');
    const { targetOf } = await import('../../src/quantize/target.ts');
    const target = await targetOf(lab.engine);
    const mpi = findMpi(process.env);
    const profile = save === undefined ? undefined : await saveProfile(save, lab, machine, desk);
    return {
      result: {
        providers: machine.providers,
        ...(devices && { devices }),
        ...(profile && { profile, out: save }),
        cores: machine.cores,
        int8Speedup: speed.int8.conv,
        ...speed,
        saturates: await saturates(lab.engine),
        cached: isCached,
        target,
        mpi,
        cpu: machine.cpu ?? null,
        memoryBytes: machine.memoryBytes ?? null,
        platform: machine.platform,
        engine: machine.engine,
        fallbackReason: lab.engine.fallbackReason ?? null,
        blockSize: machine.blockSize,
        versions: { pare: desk.version, node: process.versions.node, onnxruntime: lab.engine.version },
      },
      shown: [
        {
          kind: 'facts',
          facts: [
            ['pare', desk.version],
            ['node', process.versions.node],
            ['engine', `ONNX Runtime, ${machine.engine}`],
            ['providers', machine.providers.join(', ')],
            ['devices', devices?.map(({ name, usable }) => `${name} ${usable ? 'yes' : 'no'}`).join(', ')],
            ['processor', machine.cpu],
            ['cores', `${machine.cores}`],
            ['memory', machine.memoryBytes === undefined ? undefined : showBytes(machine.memoryBytes)],
            ['platform', machine.platform],
            ['blocks of', machine.blockSize ? `${machine.blockSize} channels make convolutions fast` : undefined],
            ['int8', bothInWords(speed.int8)],
            ['float16', speed.float16 ? bothInWords(speed.float16) : 'not by this engine'],
            ['memory speed', `${showBytes(speed.memoryBytesPerSecond)} in a second`],
            ['measured', isCached ? 'before; --fresh measures again' : undefined],
            ['profile', save],
            ['target', `${target} (pare quantize --target)`],
            ['MPI', mpi.available ? `${mpi.implementation ?? 'yes'} (${mpi.mpirun ?? mpi.library})` : 'not found'],
          ],
        },
      ],
    };
  },
});

async function saveProfile(file: string, lab: Lab, { cpu, platform, engine }: Hardware, desk: Desk) {
  const { measureProfile } = await import('../../src/optimize/index.ts');
  const profile = await measureProfile(lab, `${cpu ?? platform}, ONNX Runtime ${engine}`);
  await desk.writeText(file, `${JSON.stringify(profile, null, 2)}\n`);
  return profile;
}

const bothInWords = ({ conv, dense }: Speedup): string => `convolution ${inWords(conv)}, dense layer ${inWords(dense)}`;
const inWords = (speedup: number): string =>
  speedup >= 1 ? `${showTimes(speedup)} as fast as fp32` : `${showTimes(1 / speedup)} slower than fp32`;

/** The devices that a model can really run on here: a provider that is built in may still lack its driver. */
async function usableDevices(): Promise<{ name: string; usable: boolean; reason?: string }[]> {
  const { openEngine } = await import('../../src/runtime/open.ts');
  const { asPareError } = await import('../../src/base/error.ts');
  const { DEVICES } = await import('../common-args.ts');
  const found = [];
  for (const name of Object.keys(DEVICES) as (keyof typeof DEVICES)[]) {
    try {
      (await openEngine({ device: name }))[Symbol.dispose]();
      found.push({ name, usable: true });
    } catch (thrown) {
      found.push({ name, usable: false, reason: asPareError(thrown).message });
    }
  }
  return found;
}
