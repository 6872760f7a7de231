import { ByteRegion, MILLISECOND, SECOND } from '@oxmem/tloe-protocol';
import { Prng } from '@oxmem/tloe-protocol/testing';
import { law, type FuzzTarget, type Genes } from './fuzz-target.ts';
import { ENDPOINT_STATION, FuzzNetwork, stationMac } from './fuzz-network.ts';
import { TO_DRIVER, TO_ENDPOINT } from './hostile-frame.ts';
import { HostileStation } from './hostile-station.ts';
import { LOAD_BYTES } from './honest-load.ts';

const DRIVER = 0x0a;
/** Twice as many as there are places. */
const STRANGERS = [0x101, 0x102, 0x103, 0x104, 0x105, 0x106] as const;

/** What a gene makes happen. */
type Step =
  | { readonly kind: 'pass'; readonly micros: number }
  | { readonly kind: 'open' | 'toEndpoint' | 'toDriver'; readonly stranger: number };

function stepOf(prng: Prng): Step {
  const drawn = prng.nextFloat();
  const stranger = prng.below(STRANGERS.length);
  if (drawn < 0.16) return { kind: 'pass', micros: pause(prng) };
  if (drawn < 0.18) return { kind: 'open', stranger };
  return { kind: drawn < 0.9 ? 'toEndpoint' : 'toDriver', stranger };
}

/** Mostly as long as a frame takes; now and then until timers run out. */
export function pause(prng: Prng): number {
  const drawn = prng.nextFloat();
  if (drawn < 0.9) return prng.between(1, 300);
  if (drawn < 0.99) return prng.between(1, 40) * MILLISECOND;
  return prng.between(1, 3) * SECOND;
}

/**
 * An honest driver at work, and stations that open connections of their own at the same endpoint,
 * more than it has places for, and send everything that a protocol can be bent to. Whatever they
 * do, the driver reads what it wrote, and nobody is sent more than was asked for.
 */
export const strangerTarget: FuzzTarget = {
  name: 'stranger',
  about: 'an endpoint and an honest driver, with frames from other MAC addresses',
  maxGenes: 3000,
  casesAtATime: 6,
  run(genes: Genes): number {
    const network = new FuzzNetwork();
    const driver = network.addDriver(DRIVER, true);
    const stations = STRANGERS.map((mac) => new HostileStation(network.attach(mac)));
    for (const gene of genes) {
      const prng = new Prng(gene);
      const step = stepOf(prng);
      if (step.kind === 'pass') {
        network.pass(step.micros);
        continue;
      }
      const station = stations[step.stranger] as HostileStation;
      const from = stationMac(STRANGERS[step.stranger] as number);
      const isToDriver = step.kind === 'toDriver';
      const to = stationMac(isToDriver ? DRIVER : ENDPOINT_STATION);
      const target = { to, from, channels: isToDriver ? TO_DRIVER : TO_ENDPOINT };
      if (step.kind === 'open') station.open(prng, target);
      else station.attack(prng, target);
    }
    network.pass(SECOND);
    law(driver.load.done > 0, () => 'the honest driver got on with its work');
    network.finish(ByteRegion.allocate(LOAD_BYTES));
    let sent = 0;
    for (const { framesSent, framesHeard } of stations) {
      sent += framesSent;
      const most = framesSent * MOST_ANSWERS + LEAST_ALLOWANCE;
      law(framesHeard <= most, () => `${framesSent} frames were answered by ${framesHeard}`);
    }
    return sent;
  },
  describe: (genes) => genes.map((gene) => JSON.stringify(stepOf(new Prng(gene)))),
};

/** Frames heard for each that was sent. A frame of 64 requests can ask for so many. */
const MOST_ANSWERS = 64;
/** An opening is repeated to one who never acknowledges it. */
const LEAST_ALLOWANCE = 2_000;
