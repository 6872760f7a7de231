import {
  ByteRegion,
  ETHERNET_HEADER_BYTES,
  FrameType,
  SECOND,
  headerFrameType,
  headerSequenceNumber,
} from '@oxmem/tloe-protocol';
import { Prng } from '@oxmem/tloe-protocol/testing';
import type { FuzzTarget, Genes } from './fuzz-target.ts';
import { ENDPOINT_STATION, FuzzNetwork, stationMac } from './fuzz-network.ts';
import { LOAD_BYTES } from './honest-load.ts';
import { TO_DRIVER, TO_ENDPOINT } from './hostile-frame.ts';
import { HostileStation } from './hostile-station.ts';
import { pause } from './stranger-target.ts';

const VICTIM = 0x0a;
const BYSTANDER = 0x0c;

type Step =
  { readonly kind: 'pass'; readonly micros: number } | { readonly kind: 'asEndpoint' | 'asDriver' };

function stepOf(prng: Prng): Step {
  const drawn = prng.nextFloat();
  if (drawn < 0.25) return { kind: 'pass', micros: pause(prng) };
  return { kind: drawn < 0.65 ? 'asEndpoint' : 'asDriver' };
}

/**
 * Somebody listens to a driver and its endpoint and sends to each in the name of the other. What
 * the driver reads then cannot be vouched for; but both survive, every request ends, and another
 * driver of the endpoint notices nothing.
 */
export const impostorTarget: FuzzTarget = {
  name: 'impostor',
  about: 'a driver and its endpoint, each with frames in the name of the other',
  maxGenes: 3000,
  casesAtATime: 3,
  run(genes: Genes): number {
    const network = new FuzzNetwork();
    const bystander = network.addDriver(BYSTANDER, true);
    const [asEndpoint, asDriver] = [0x201, 0x202].map(
      (station) => new HostileStation(network.attach(station)),
    ) as [HostileStation, HostileStation];
    const numbers = { driver: 0x3fffff, endpoint: 0x3fffff };
    const victim = network.addDriver(VICTIM, false, {
      frame: ({ bytes, view }, offset) => {
        const high = view.getUint32(offset + ETHERNET_HEADER_BYTES);
        if (headerFrameType(high) === FrameType.ackOnly) return;
        const isFromDriver = bytes[offset + 11] === VICTIM;
        numbers[isFromDriver ? 'driver' : 'endpoint'] = headerSequenceNumber(high);
        asEndpoint.knows((numbers.endpoint + 1) & 0x3fffff, numbers.driver);
        asDriver.knows((numbers.driver + 1) & 0x3fffff, numbers.endpoint);
      },
    });
    const [driverMac, endpointMac] = [VICTIM, ENDPOINT_STATION].map(stationMac) as [
      Uint8Array,
      Uint8Array,
    ];
    for (const gene of genes) {
      const prng = new Prng(gene);
      const step = stepOf(prng);
      if (step.kind === 'pass') network.pass(step.micros);
      else if (step.kind === 'asEndpoint') {
        asEndpoint.attack(prng, { to: driverMac, from: endpointMac, channels: TO_DRIVER });
      } else asDriver.attack(prng, { to: endpointMac, from: driverMac, channels: TO_ENDPOINT });
    }
    network.pass(SECOND);
    victim.load.stop();
    bystander.load.stop();
    network.finish(ByteRegion.allocate(LOAD_BYTES));
    return asEndpoint.framesSent + asDriver.framesSent;
  },
  describe: (genes) => genes.map((gene) => JSON.stringify(stepOf(new Prng(gene)))),
};
