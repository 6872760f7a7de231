/** A network without a network: the native binding's double, for tests that need no privileges. */
export { MockNetwork } from './mock-network.ts';
export type { MockNetworkOptions } from './mock-network.ts';
export { MockInterface } from './mock-interface.ts';
export type { MockInterfaceOptions } from './mock-interface.ts';
