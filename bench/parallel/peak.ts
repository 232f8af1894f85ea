/** Loaded before a program (`node --import`): at its end, the most memory that this process held goes into a file of its own. */

import { writeFileSync } from 'node:fs';

/** What launchers call a process's rank; a launcher itself, or a supervisor, has none. */
const RANKS = ['OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK'];

process.on('exit', () => {
  const folder = process.env['PARE_PEAK'];
  const rank = RANKS.map((name) => process.env[name]).find((value) => value !== undefined);
  if (folder === undefined || (rank === undefined && process.argv.includes('--ranks'))) return;
  const bytes = process.resourceUsage().maxRSS * 1024;
  writeFileSync(`${folder}/${rank ?? 0}-${process.pid}.json`, JSON.stringify({ rank: Number(rank ?? 0), bytes }));
});
