/** Distillation: recorded teachers, losses, and the training that uses them. */

export { type DistillOptions, distill } from './distill.ts';
export * from './loss/index.ts';
export { type Recorded, record, withTeacher } from './record.ts';
