/** TensorFlow.js's side of bench/training (WASM, else CPU): one JSON line in, one out. Dense networks only: its WASM backend has no convolution gradient. */
import { createInterface } from 'node:readline';
import * as tf from '@tensorflow/tfjs';
import * as wasm from '@tensorflow/tfjs-backend-wasm';

const folder = new URL('.', import.meta.resolve('@tensorflow/tfjs-backend-wasm/package.json')).pathname;
wasm.setWasmPaths(`${folder}wasm-out/`);
await tf.setBackend('wasm').then((ok) => ok || tf.setBackend('cpu'));
await tf.ready();
const UNITS = { W1: [512, 256], W2: [64] };
console.log(JSON.stringify({ ready: true, version: `${tf.version.tfjs} ${tf.getBackend()}` }));

let model;
let x;
let y;
for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line);
  if (ask.do === 'load') {
    const units = UNITS[ask.name];
    if (!units) {
      console.log(JSON.stringify({ skip: 'no convolution gradient in this backend' }));
      continue;
    }
    const layers = [...units, ask.classes].map((n, i) =>
      tf.layers.dense({
        units: n,
        activation: i < units.length ? 'relu' : 'softmax',
        ...(i === 0 && { inputShape: ask.input }),
      }),
    );
    model = tf.sequential({ layers });
    model.compile({ optimizer: tf.train.adam(1e-3), loss: 'sparseCategoricalCrossentropy' });
    x = tf.randomUniform([ask.batch, ...ask.input]);
    y = tf.randomUniform([ask.batch, 1], 0, ask.classes, 'int32').toFloat();
    console.log(JSON.stringify({ ok: true }));
  } else {
    const begin = performance.now();
    for (let i = 0; i < ask.count; i++) await model.trainOnBatch(x, y);
    console.log(JSON.stringify({ ms: (performance.now() - begin) / ask.count }));
  }
}
