/**
 * Sessions whose runs take turns with each other, or with JavaScript that works on what they gave: their threads sleep in between. Threads that
 * wait busily take the processor from whoever's turn it is (0.74 to 0.97 of the time of quantising, on two cores).
 */
export const CALM = { 'session.intra_op.allow_spinning': '0' } as const;
