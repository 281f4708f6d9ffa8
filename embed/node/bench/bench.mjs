// The package's `deriveMany` against the same rules written by hand, from objects to objects. One JSON line for each hand:
// P5 is against ordinary code (`hand.mjs`), "P5 tuned" against the fastest JavaScript we know how to write (`tuned.mjs`).
//
// One process, A B B A, one pass over a thousand subjects a slice, CPU time of the process, every result compared while
// timing; the median of paired ratios, and the same of the hand-written side against itself.

import { Identity } from '../src/index.js';
import * as hand from './hand.mjs';
import { subjects } from './subjects.mjs';
import * as tuned from './tuned.mjs';

const COUNT = 1000;
const SECONDS = 6;
const WARM_UP_ROUNDS = 300;

const given = subjects(COUNT);
const expected = hand.deriveMany(given).map((outcome) => (outcome.ok ? outcome.key : outcome.error.code));
const identity = Identity.open();

const ours = () => identity.deriveMany(given);

function check(outcomes) {
  for (let at = 0; at < COUNT; at++) {
    const outcome = outcomes[at];
    if ((outcome.ok ? outcome.key : outcome.error.code) !== expected[at]) throw new Error(`subject ${at} differs`);
  }
}

/** Microseconds of CPU time that one checked pass takes. */
function slice(side) {
  const begin = process.cpuUsage();
  check(side());
  const { user, system } = process.cpuUsage(begin);
  return user + system;
}

function quantile(sorted, share) {
  return sorted[Math.round(share * (sorted.length - 1))];
}

/** Paired ratios of A over B, and the time of each in nanoseconds a subject. */
function measure(a, b, seconds) {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) (slice(a), slice(b));
  const ratios = [];
  const times = [[], []];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const [first, second, third, fourth] = [slice(a), slice(b), slice(b), slice(a)];
    ratios.push((first + fourth) / (second + third));
    times[0].push((first + fourth) / 2);
    times[1].push((second + third) / 2);
  }
  const ordered = (values) => values.sort((one, other) => one - other);
  const nsPerKey = times.map((values) => Math.round((quantile(ordered(values), 0.5) * 1000) / COUNT));
  return { ratios: ordered(ratios), nsPerKey };
}

const rounded = (value) => Math.round(value * 1000) / 1000;

for (const [figure, { deriveMany }] of [
  ['P5', hand],
  ['P5 tuned', tuned],
]) {
  const byHand = () => deriveMany(given);
  const floor = measure(byHand, byHand, SECONDS / 2).ratios;
  const { ratios, nsPerKey } = measure(byHand, ours, SECONDS);
  const [median, floorMedian] = [quantile(ratios, 0.5), quantile(floor, 0.5)];
  console.log(
    JSON.stringify({
      figure,
      host: 'node',
      ratio: rounded(median),
      p10: rounded(quantile(ratios, 0.1)),
      p90: rounded(quantile(ratios, 0.9)),
      floor: rounded(floorMedian),
      floor_p10: rounded(quantile(floor, 0.1)),
      floor_p90: rounded(quantile(floor, 0.9)),
      ours_ns_per_key: nsPerKey[1],
      hand_ns_per_key: nsPerKey[0],
    }),
  );
  if (floorMedian < 0.95 || floorMedian > 1.05) {
    console.error(`void: the floor of ${figure} is outside 0.95 to 1.05`);
    process.exitCode = 1;
  }
}
