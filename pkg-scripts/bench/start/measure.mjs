// Visits, each the first of a new profile and then another one of the same profile.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "../../serve.mjs";
import { Failure, say } from "../../shared/command.mjs";
import { inTurn } from "../../shared/engines.mjs";
import { dist } from "../../shared/folders.mjs";
import { Link } from "../../shared/link.mjs";
import { QUESTION } from "./engines.mjs";
import { network } from "./rows.mjs";

/** How late a request arrives where the rate is limited, in milliseconds. */
export const LATENCY = 20;

/** What a visit may take, in milliseconds, where the whole model comes at `rate` megabits a second. */
const patience = ({ weights_bytes }, rate) => 120_000 + (rate > 0 ? (3 * weights_bytes) / (rate * 125) : 0);

/** Runs `work(profile)` with the folder of a new browser profile. */
export async function withProfile(work) {
  const profile = await mkdtemp(join(tmpdir(), "nomul-profile-"));
  try {
    return await work(profile);
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A first visit and a later one, with the bytes that the server sent. */
function measure({ engine, visit, ...rest }, rate, { link, url }) {
  return withProfile(async (profile) => {
    const visits = {};
    for (const cache of ["cold", "warm"]) {
      const before = link.bytes;
      try {
        visits[cache] = await visit(profile, new URL(rest.address, url).href, patience(rest, rate), QUESTION);
      } catch (error) {
        throw error instanceof Failure ? new Failure(`${engine}, ${network(rate)}, ${cache}: ${error.message}`) : error;
      }
      visits[cache].transferred = link.bytes - before;
    }
    return { visits };
  });
}

/**
 * Measures all of `engines` (engines.mjs) at all `rates`, `rounds` times, in turn. Answers with the visits of each:
 * `{ engine, rate, cold: [visit], warm: [visit] }`.
 */
export async function measureVisits(engines, rates, rounds) {
  const models = Object.assign({}, ...engines.map(({ mounts }) => mounts));
  const servers = new Map();
  try {
    for (const rate of new Set([0, ...rates])) {
      const link = new Link({ megabits: rate, latency: LATENCY });
      servers.set(rate, { link, ...(await serve({ root: dist, models, link })) });
    }
    // The server then has compressed what it compresses, and the system has read the files.
    say("- warming up");
    for (const each of engines) await measure(each, 0, servers.get(0));
    const runs = rates.flatMap((rate) =>
      engines.map((engine) => ({ name: `${engine.engine}, ${network(rate)}`, engine, rate })),
    );
    const of = (name) => runs.find((run) => run.name === name);
    const found = await inTurn(
      runs.map(({ name }) => name),
      rounds,
      (name) => measure(of(name).engine, of(name).rate, servers.get(of(name).rate)),
    );
    return runs.map(({ name, engine, rate }) => {
      const visits = found.filter((row) => row.engine === name).map((row) => row.visits);
      return { engine, rate, cold: visits.map(({ cold }) => cold), warm: visits.map(({ warm }) => warm) };
    });
  } finally {
    for (const { close } of servers.values()) await close();
  }
}
