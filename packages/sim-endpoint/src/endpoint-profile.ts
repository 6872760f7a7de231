import type { EndpointOptions } from './compose-endpoint.ts';
import { ENDPOINT_PERSONAS, type EndpointPersonaName } from './persona/endpoint-personas.ts';

/** What `--profile` takes: whom to play. */
export type EndpointProfileName = 'auto' | EndpointPersonaName;

export const ENDPOINT_PROFILE_NAMES: readonly EndpointProfileName[] = [
  'auto',
  ...(Object.keys(ENDPOINT_PERSONAS) as EndpointPersonaName[]),
];

export function isEndpointProfile(text: string): text is EndpointProfileName {
  return (ENDPOINT_PROFILE_NAMES as readonly string[]).includes(text);
}

/** The options that a profile stands for. */
export function profileOptions(name: EndpointProfileName): Pick<EndpointOptions, 'persona'> {
  return name === 'auto' ? {} : { persona: name };
}
