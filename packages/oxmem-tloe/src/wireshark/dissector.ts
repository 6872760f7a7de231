import {
  CHANNEL_NAMES,
  DEFAULT_ETHER_TYPE,
  FRAME_TYPE_NAMES,
  FrameType,
  LAST_START_FLIT,
  MESSAGE_FORMATS,
  NOTHING_RECEIVED,
  headFlits,
} from '@oxmem/tloe-protocol';
import { DISSECTOR_CODE } from './dissector-code.ts';

/**
 * A dissector for Wireshark and tshark, in Lua: the tables of the codec, and the code that walks a
 * frame by them. The same text is in `wireshark/omnixtend.lua`.
 */
export function wiresharkDissector(): string {
  return `${HEADING}\n${tables()}\n${DISSECTOR_CODE}`;
}

const HEADING = `-- OmniXtend (TileLink over Ethernet) 1.0.3, and the frame types of the 1.1 proposal.
-- Made by "oxmem-tloe dissector" from the tables of @oxmem/tloe-protocol: do not edit.
-- SPDX-License-Identifier: Apache-2.0
--
-- Wireshark: put this file into the folder "Personal Lua Plugins" of Help > About > Folders.
-- tshark:    tshark -X lua_script:omnixtend.lua -r FILE
`;

function tables(): string {
  return [
    `local DEFAULT_ETHER_TYPE = ${hex(DEFAULT_ETHER_TYPE)}`,
    `local NOTHING_RECEIVED = ${hex(NOTHING_RECEIVED)}`,
    `local LAST_START_FLIT = ${LAST_START_FLIT}`,
    `local ACK_ONLY = ${FrameType.ackOnly}`,
    `local FRAME_TYPES = { ${numbered(FRAME_TYPE_NAMES)} }`,
    `local CHANNELS = { ${numbered(CHANNEL_NAMES)} }`,
    '-- FORMATS[channel][opcode]: head is the number of words of the head',
    'local FORMATS = {',
    ...MESSAGE_FORMATS.flatMap((_, channel) => channelTable(channel)),
    '}',
    '',
  ].join('\n');
}

function channelTable(channel: number): string[] {
  const formats = MESSAGE_FORMATS[channel] ?? [];
  const rows = formats.map((format, opcode) => {
    if (format === undefined) return undefined;
    const flags = [
      `name = "${format.name}"`,
      `head = ${headFlits(channel, opcode)}`,
      ...(format.hasAddress ? ['address = true'] : []),
      ...(format.hasSink ? ['sink = true'] : []),
      ...(format.hasData ? ['data = true'] : []),
      ...(format.hasMask ? ['mask = true'] : []),
    ];
    return `    [${opcode}] = { ${flags.join(', ')} },`;
  });
  const given = rows.filter((row) => row !== undefined);
  return given.length === 0 ? [] : [`  [${channel}] = {`, ...given, '  },'];
}

function numbered(names: readonly string[]): string {
  return names.map((name, number) => `[${number}] = "${name}"`).join(', ');
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
