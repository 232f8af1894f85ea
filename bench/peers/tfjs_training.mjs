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
/** Two encoder blocks after the norm, width 128, four heads, feed-forward 512; the mean over places; ten classes. Logits of x [N, 64, 128]. */
function transformer() {
  const weight = (rows, columns) => tf.variable(tf.randomNormal([rows, columns], 0, rows ** -0.5));
  const vector = (length, value) => tf.variable(tf.fill([length], value));
  const linear = (rows, columns) => {
    const [w, b] = [weight(rows, columns), vector(columns, 0)];
    return (x) =>
      x
        .reshape([-1, rows])
        .matMul(w)
        .add(b)
        .reshape([...x.shape.slice(0, -1), columns]);
  };
  const layerNorm = (width) => {
    const [scale, shift] = [vector(width, 1), vector(width, 0)];
    return (x) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(scale).add(shift);
    };
  };
  const block = () => {
    const [q, k, v, out] = [0, 1, 2, 3].map(() => linear(128, 128));
    const [up, down, first, second] = [linear(128, 512), linear(512, 128), layerNorm(128), layerNorm(128)];
    const heads = (x) => x.reshape([-1, 64, 4, 32]).transpose([0, 2, 1, 3]); // [N, 4, 64, 32]
    return (x) => {
      const scores = tf.matMul(heads(q(x)), heads(k(x)), false, true).mul(32 ** -0.5);
      const seen = tf
        .matMul(scores.softmax(), heads(v(x)))
        .transpose([0, 2, 1, 3])
        .reshape(x.shape);
      const attended = first(x.add(out(seen)));
      return second(attended.add(down(up(attended).relu())));
    };
  };
  const [one, two, last] = [block(), block(), linear(128, 10)];
  return (x) => last(two(one(x)).mean(1));
}

await tf.setBackend('wasm').then((ok) => ok || tf.setBackend('cpu'));
await tf.ready();
console.log(JSON.stringify({ ready: true, version: `${tf.version.tfjs} ${tf.getBackend()}` }));

/** What makes steps of a workload; undefined where it is not written for TensorFlow.js. */
function learner({ name, batch, input, classes }) {
  const x = tf.randomUniform([batch, ...input]);
  const labels = tf.randomUniform([batch], 0, classes, 'int32');
  const optimizer = tf.train.adam(1e-3);
  if (name === 'W7') {
    const logits = transformer();
    const wanted = tf.oneHot(labels, classes);
    return async () =>
      void (await optimizer.minimize(() => tf.losses.softmaxCrossEntropy(wanted, logits(x)), true).data());
  }
  const layers = NETWORKS[name];
  if (!layers) return undefined;
  const model = tf.sequential({ layers: layers() });
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
  const y = labels.toFloat().reshape([batch, 1]);
  return () => model.trainOnBatch(x, y);
}

let step;
for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line);
  if (ask.do === 'load') {
    step = learner(ask);
    if (!step) {
      console.log(JSON.stringify({ skip: 'no gradient of convolutions' }));
      continue;
    }
    console.log(JSON.stringify({ ok: true }));
  } else if (ask.do === 'memory') {
    console.log(JSON.stringify({ peakMb: process.resourceUsage().maxRSS / 1024 }));
  } else {
    const begin = performance.now();
    for (let i = 0; i < ask.count; i++) await step();
    console.log(JSON.stringify({ ms: (performance.now() - begin) / ask.count }));
  }
}
