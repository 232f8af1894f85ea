/**
 * TensorFlow.js's side of bench/training: one JSON line in, one out. Its WASM backend trains dense and recurrent networks; it has
 * no gradient of convolutions, which its plain CPU backend makes in tens of seconds a step.
 */
import { createInterface } from 'node:readline';
import * as tf from '@tensorflow/tfjs';
import * as wasm from '@tensorflow/tfjs-backend-wasm';

const folder = new URL('.', import.meta.resolve('@tensorflow/tfjs-backend-wasm/package.json')).pathname;
wasm.setWasmPaths(`${folder}wasm-out/`);
const { dense, lstm } = tf.layers;
const relu = (units, more = {}) => dense({ units, activation: 'relu', ...more });
const last = () => dense({ units: 10, activation: 'softmax' });
const NETWORKS = {
  W1: () => [relu(512, { inputShape: [784] }), relu(256), last()],
  W2: () => [relu(64, { inputShape: [32] }), last()],
  W6: () => [lstm({ units: 128, inputShape: [64, 64] }), last()],
};
await tf.setBackend('wasm').then((ok) => ok || tf.setBackend('cpu'));
await tf.ready();
console.log(JSON.stringify({ ready: true, version: `${tf.version.tfjs} ${tf.getBackend()}` }));

let model;
let x;
let y;
for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line);
  if (ask.do === 'load') {
    const layers = NETWORKS[ask.name];
    if (!layers) {
      console.log(JSON.stringify({ skip: 'no gradient of convolutions, or not written for it' }));
      continue;
    }
    model = tf.sequential({ layers: layers() });
    model.compile({ optimizer: tf.train.adam(1e-3), loss: 'sparseCategoricalCrossentropy' });
    x = tf.randomUniform([ask.batch, ...model.inputs[0].shape.slice(1)]);
    y = tf.randomUniform([ask.batch, 1], 0, ask.classes, 'int32').toFloat();
    console.log(JSON.stringify({ ok: true }));
  } else if (ask.do === 'memory') {
    console.log(JSON.stringify({ peakMb: process.resourceUsage().maxRSS / 1024 }));
  } else {
    const begin = performance.now();
    for (let i = 0; i < ask.count; i++) await model.trainOnBatch(x, y);
    console.log(JSON.stringify({ ms: (performance.now() - begin) / ask.count }));
  }
}
