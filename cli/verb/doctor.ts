/** `pare doctor`: what this machine offers, and whether int8 is faster on it. */

import { showBytes, showTimes } from '../../src/base/unit.ts';
import type { Hardware, Lab } from '../../src/runtime/index.ts';
import { flag, path } from '../arg.ts';
import type { Desk } from '../desk.ts';
import { verb } from '../verb.ts';

export const doctor = verb({
  name: 'doctor',
  about: 'What this machine offers: providers, cores, int8 speed against fp32, MPI.',
  example: 'pare doctor --json',
  args: {
    probe: flag('Try every device; the drivers may print warnings of their own.'),
    save: path('Write a profile of this machine, for pare optimize --target FILE on another.'),
  },
  async run({ probe, save }, desk) {
    const { hardware } = await import('../../src/runtime/profile.ts');
    const { int8Speedup } = await import('../../src/report/int8-speedup.ts');
    const { findMpi } = await import('../find-mpi.ts');
    const lab = await desk.lab();
    const machine = hardware(lab.engine);
    const devices = probe ? await usableDevices() : undefined;
    const speedup = await int8Speedup(lab);
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
        int8Speedup: speedup.conv,
        int8: speedup,
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
            ['int8', `convolution ${inWords(speedup.conv)}, dense layer ${inWords(speedup.dense)}`],
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
