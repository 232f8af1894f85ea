/** The learning rate as a pure function of the number of updates already made. */

/** `step` is 0 for the first update; the answer is a learning rate. */
export type Schedule = (step: number) => number;

/** What takes a schedule also takes a number that never changes. */
export type Rate = number | Schedule;

/** A rate at a step. */
export const rateAt = (rate: Rate, step: number): number => (typeof rate === 'number' ? rate : rate(step));
