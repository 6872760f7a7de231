import { describe, expect, it } from 'vitest';
import { ExportTable } from '../src/export-table.ts';
import { MemoryBlockBackend } from '../src/testing/memory-block-backend.ts';
import { MemoryLink } from '../src/testing/memory-link.ts';
import { Command, InfoKind, Option, OptionReply, TransmissionFlag } from '../src/wire/constants.ts';
import { type Served, connect, hex, serve, toHex } from './serve.ts';

const ALL_FLAGS =
  TransmissionFlag.HAS_FLAGS |
  TransmissionFlag.SEND_FLUSH |
  TransmissionFlag.SEND_FUA |
  TransmissionFlag.SEND_TRIM |
  TransmissionFlag.SEND_WRITE_ZEROES |
  TransmissionFlag.SEND_FAST_ZERO |
  TransmissionFlag.CAN_MULTI_CONN;

const GREETING = '4e42444d41474943 49484156454f5054 0003';
const OPT = '49484156454f5054';
const REP = '0003e889045565a9';

/** Sends raw bytes and returns in hexadecimal what came after the greeting. */
function dialogue(served: Served, ...sent: string[]): string {
  // The client's own parser stays out of it: only bytes count here.
  served.link.client.receive = () => undefined;
  for (const text of sent) served.link.client.sendRaw(hex(text));
  served.link.run();
  return toHex(served.link.allServerBytes()).slice(36);
}

function replyTypes(served: Served): number[] {
  return served.link.client.optionReplies.map((reply) => reply.type);
}

function replyText(served: Served, index: number): string {
  return String.fromCharCode(...(served.link.client.optionReplies[index]?.data ?? []));
}

function clean(text: string): string {
  return text.replace(/\s/g, '');
}

/** Two exports; the first is the default one. */
function connectTwo(): Served {
  const backend = new MemoryBlockBackend({ sizeBytes: 4096 });
  const exports = new ExportTable([
    { name: 'disk', description: 'first', backend },
    { name: 'other', backend: new MemoryBlockBackend({ sizeBytes: 8192, readOnly: true }) },
  ]);
  return { backend, link: new MemoryLink({ exports }) };
}

describe('bytes of the handshake', () => {
  it('begins with the newstyle fixed greeting, before the client has said anything', () => {
    const { link } = connect();
    expect(link.connection.hasOutput).toBe(true);
    link.run();
    expect(toHex(link.allServerBytes())).toBe(clean(GREETING));
  });

  it('answers EXPORT_NAME with size, flags and 124 zeros', () => {
    const served = connect({ sizeBytes: 0x1_2345_6000 });
    const got = dialogue(served, '00000001', OPT, '00000001 00000004 6469736b');
    expect(got).toBe(
      clean(`0000000123456000 ${ALL_FLAGS.toString(16).padStart(4, '0')}`) + '00'.repeat(124),
    );
    expect(served.link.connection.state).toBe('transmission');
  });

  it('leaves the zeros out when the client said NO_ZEROES', () => {
    const got = dialogue(connect({ sizeBytes: 4096 }), '00000003', OPT, '00000001 00000000');
    expect(got).toBe('0000000000001000' + ALL_FLAGS.toString(16).padStart(4, '0'));
  });

  it('answers GO with INFO_EXPORT, INFO_BLOCK_SIZE when asked, and ACK', () => {
    const served = connect({ sizeBytes: 4096, preferredBlockBytes: 8192 });
    const got = dialogue(served, '00000003', OPT, '00000007 00000008 00000000 0001 0003');
    expect(got).toBe(
      clean(`${REP} 00000007 00000003 0000000c 0000 0000000000001000 096d
             ${REP} 00000007 00000003 0000000e 0003 00000001 00002000 02000000
             ${REP} 00000007 00000001 00000000`),
    );
  });

  it('tells the size and flags even if no information was asked for', () => {
    const got = dialogue(
      connect({ sizeBytes: 4096 }),
      '00000003',
      OPT,
      '00000007 00000006 00000000 0000',
    );
    expect(got).toBe(
      clean(`${REP} 00000007 00000003 0000000c 0000 0000000000001000 096d
             ${REP} 00000007 00000001 00000000`),
    );
  });

  it('lists exports with their descriptions', () => {
    const got = dialogue(connectTwo(), '00000003', OPT, '00000003 00000000');
    expect(got).toBe(
      clean(`${REP} 00000003 00000002 0000000d 00000004 6469736b 6669727374
             ${REP} 00000003 00000002 00000009 00000005 6f74686572
             ${REP} 00000003 00000001 00000000`),
    );
  });

  it('agrees to structured replies and base:allocation', () => {
    const name = '626173653a616c6c6f636174696f6e';
    const set = `${OPT} 0000000a 0000001f 00000004 6469736b 00000001 0000000f ${name}`;
    // The length above counts name, count and query: 4 + 4 + 4 + 4 + 15.
    const got = dialogue(connect(), '00000003', OPT, '00000008 00000000', set);
    expect(got).toBe(
      clean(`${REP} 00000008 00000001 00000000
             ${REP} 0000000a 00000004 00000013 00000001 ${name}
             ${REP} 0000000a 00000001 00000000`),
    );
  });

  it('acknowledges ABORT and closes once that is sent', () => {
    const served = connect();
    const got = dialogue(served, '00000003', OPT, '00000002 00000000');
    expect(got).toBe(clean(`${REP} 00000002 00000001 00000000`));
    expect(served.link.closeReason).toBe('aborted');
    expect(served.link.isReleased).toBe(true);
  });
});

describe('options', () => {
  it('offers DF only with structured replies', () => {
    expect(serve().link.client.exportInfo?.flags).toBe(ALL_FLAGS);
    const flags = serve({ structured: true }).link.client.exportInfo?.flags;
    expect(flags).toBe(ALL_FLAGS | TransmissionFlag.SEND_DF);
  });

  it('offers neither trim nor zeroing on a read-only export', () => {
    const flags = serve({ readOnly: true }).link.client.exportInfo?.flags;
    expect(flags).toBe(
      TransmissionFlag.HAS_FLAGS |
        TransmissionFlag.READ_ONLY |
        TransmissionFlag.SEND_FLUSH |
        TransmissionFlag.SEND_FUA |
        TransmissionFlag.CAN_MULTI_CONN,
    );
  });

  it('does not offer what the export is told not to offer', () => {
    const flags = serve({ definition: { trim: false, multiConnection: false } }).link.client
      .exportInfo?.flags;
    expect(flags).toBe(ALL_FLAGS & ~TransmissionFlag.SEND_TRIM & ~TransmissionFlag.CAN_MULTI_CONN);
  });

  it('stays in the handshake after INFO, with the same answers as GO', () => {
    const served = connectTwo();
    const { client } = served.link;
    client.sendFlags();
    client.sendInfo(Option.INFO, '', [
      InfoKind.NAME,
      InfoKind.DESCRIPTION,
      InfoKind.BLOCK_SIZE,
      77,
    ]);
    served.link.run();
    expect(replyTypes(served)).toEqual([3, 3, 3, 3, OptionReply.ACK]);
    expect(replyText(served, 1).slice(2)).toBe('disk');
    expect(replyText(served, 2).slice(2)).toBe('first');
    expect(served.link.connection.handshakeDone).toBe(false);
  });

  it('tells a granularity other than 1 even when nobody asked', () => {
    const served = connect({ minimumBlockBytes: 512 });
    served.link.client.sendFlags();
    served.link.client.sendInfo(Option.GO, 'disk', []);
    served.link.run();
    expect(replyTypes(served)).toEqual([3, 3, OptionReply.ACK]);
  });

  it('takes the empty name for the default export, and an export of that name before it', () => {
    const two = connectTwo();
    two.link.client.sendHandshake('');
    two.link.run();
    expect(two.link.connection.chosenExport?.name).toBe('disk');
    const backend = new MemoryBlockBackend({ sizeBytes: 512 });
    const exports = new ExportTable([
      { name: 'disk', backend },
      { name: '', backend },
    ]);
    const link = new MemoryLink({ exports });
    link.client.sendHandshake('');
    link.run();
    expect(link.connection.chosenExport?.name).toBe('');
  });

  it('refuses an unknown name with a text in harmless characters, and goes on', () => {
    const served = connect();
    served.link.client.sendFlags();
    served.link.client.sendInfo(Option.GO, 'x\u001b[2J\n\u00e9');
    served.link.client.sendInfo(Option.GO, 'disk');
    served.link.run();
    expect(replyTypes(served)[0]).toBe(OptionReply.ERR_UNKNOWN);
    expect(replyText(served, 0)).toBe('there is no export "x?[2J???"');
    expect(served.link.connection.state).toBe('transmission');
  });

  it('closes on an unknown name in EXPORT_NAME, which has no error reply', () => {
    const served = connect();
    served.link.client.sendFlags();
    served.link.client.sendOption(Option.EXPORT_NAME, hex('6e6f'));
    served.link.run();
    expect(served.link.closeReason).toBe('exportUnknown');
    expect(served.link.closeText).toContain('"no"');
  });

  it('drains and refuses options that it does not know', () => {
    const served = connect();
    const { client } = served.link;
    client.sendFlags();
    client.sendOption(Option.EXTENDED_HEADERS);
    client.sendOption(0xfffffff0, new Uint8Array(5000));
    client.sendOption(4, new Uint8Array(100_000));
    client.sendInfo(Option.GO, 'disk');
    served.link.run();
    const refused = OptionReply.ERR_UNSUP;
    expect(replyTypes(served).slice(0, 3)).toEqual([refused, refused, refused]);
    expect(client.inTransmission).toBe(true);
  });

  it('refuses TLS in good order', () => {
    const served = connect();
    served.link.client.sendFlags();
    served.link.client.sendOption(Option.STARTTLS);
    served.link.client.sendOption(Option.STARTTLS, hex('00'));
    served.link.client.sendInfo(Option.GO, 'disk');
    served.link.run();
    expect(replyTypes(served).slice(0, 2)).toEqual([
      OptionReply.ERR_UNSUP,
      OptionReply.ERR_INVALID,
    ]);
    expect(served.link.client.inTransmission).toBe(true);
  });

  it('refuses structured replies twice or with data, but keeps what was agreed', () => {
    const served = connect();
    const { client } = served.link;
    client.sendFlags();
    client.sendOption(Option.STRUCTURED_REPLY, hex('01'));
    client.sendOption(Option.STRUCTURED_REPLY);
    client.sendOption(Option.STRUCTURED_REPLY);
    client.sendOption(Option.LIST, hex('00'));
    client.sendInfo(Option.GO, 'disk');
    served.link.run();
    const { ERR_INVALID, ACK } = OptionReply;
    expect(replyTypes(served).slice(0, 4)).toEqual([ERR_INVALID, ACK, ERR_INVALID, ERR_INVALID]);
    expect((client.exportInfo?.flags ?? 0) & TransmissionFlag.SEND_DF).not.toBe(0);
  });

  it('answers TOO_BIG to a known option that is longer than the limit', () => {
    const served = connect();
    served.link.client.sendFlags();
    served.link.client.sendOption(Option.INFO, new Uint8Array(64 * 1024 + 1));
    served.link.client.sendInfo(Option.GO, 'disk');
    served.link.run();
    expect(replyTypes(served)[0]).toBe(OptionReply.ERR_TOO_BIG);
    expect(served.link.client.inTransmission).toBe(true);
  });
});

describe('metadata contexts', () => {
  function metaTypes(
    structured: boolean,
    option: number,
    name: string,
    queries: string[],
  ): number[] {
    const served = connect();
    served.link.client.sendFlags();
    if (structured) served.link.client.sendOption(Option.STRUCTURED_REPLY);
    served.link.client.sendMetaContext(option, name, queries);
    served.link.run();
    return replyTypes(served).slice(structured ? 1 : 0);
  }
  const { META_CONTEXT, ACK, ERR_INVALID, ERR_UNKNOWN } = OptionReply;

  it('lists base:allocation for no query, for its namespace and for its name', () => {
    for (const queries of [[], ['base:'], ['base:allocation'], ['x:y', 'base:']]) {
      const types = metaTypes(true, Option.LIST_META_CONTEXT, '', queries);
      expect(types).toEqual([META_CONTEXT, ACK]);
    }
  });

  it('acknowledges queries that match nothing', () => {
    for (const query of ['qemu:dirty-bitmap:a', 'base:other', 'base', '']) {
      expect(metaTypes(true, Option.LIST_META_CONTEXT, '', [query])).toEqual([ACK]);
      expect(metaTypes(true, Option.SET_META_CONTEXT, '', [query])).toEqual([ACK]);
    }
  });

  it('selects by full name only, and once', () => {
    expect(metaTypes(true, Option.SET_META_CONTEXT, 'disk', ['base:'])).toEqual([ACK]);
    expect(metaTypes(true, Option.SET_META_CONTEXT, 'disk', [])).toEqual([ACK]);
    const twice = ['base:allocation', 'base:allocation'];
    expect(metaTypes(true, Option.SET_META_CONTEXT, 'disk', twice)).toEqual([META_CONTEXT, ACK]);
  });

  it('refuses a selection without structured replies or for an unknown export', () => {
    const queries = ['base:allocation'];
    expect(metaTypes(false, Option.SET_META_CONTEXT, 'disk', queries)).toEqual([ERR_INVALID]);
    expect(metaTypes(true, Option.SET_META_CONTEXT, 'none', queries)).toEqual([ERR_UNKNOWN]);
  });

  it.each([
    ['the same export', 'disk', [], 0],
    ['another export', 'other', [], 22],
    ['a selection that a later failed call voided', 'disk', ['none'], 22],
    ['a selection that a later empty call voided', 'disk', ['disk'], 22],
  ] as const)('answers BLOCK_STATUS after a selection for %s', (_case, goName, later, error) => {
    const { link } = connectTwo();
    link.client.sendFlags();
    link.client.sendOption(Option.STRUCTURED_REPLY);
    link.client.sendMetaContext(Option.SET_META_CONTEXT, 'disk', ['base:allocation']);
    for (const name of later) link.client.sendMetaContext(Option.SET_META_CONTEXT, name, ['a:b']);
    link.client.sendInfo(Option.GO, goName);
    const cookie = link.client.sendRequest({ type: Command.BLOCK_STATUS, length: 512 });
    link.run();
    expect(link.client.reply(cookie)?.error).toBe(error);
  });
});

describe('a selection of metadata contexts that is too long', () => {
  it('voids the former selection, too', () => {
    const { link } = connect();
    link.client.sendFlags();
    link.client.sendOption(Option.STRUCTURED_REPLY);
    link.client.sendMetaContext(Option.SET_META_CONTEXT, 'disk', ['base:allocation']);
    link.client.sendOption(Option.SET_META_CONTEXT, new Uint8Array(64 * 1024 + 1));
    link.client.sendInfo(Option.GO, 'disk');
    const cookie = link.client.sendRequest({ type: Command.BLOCK_STATUS, length: 512 });
    link.run();
    expect(link.client.reply(cookie)?.error).toBe(22);
  });
});

describe('a handshake that breaks the rules', () => {
  it.each([
    ['unknown client flags', '00000007'],
    [
      'an option without FIXED_NEWSTYLE that is not EXPORT_NAME',
      `00000000 ${OPT} 00000003 00000000`,
    ],
    ['an option without its magic number', `00000003 4948415600000000 00000003 00000000`],
    ['an export name longer than 4096 bytes', `00000003 ${OPT} 00000001 00001001`],
  ])('is closed for %s', (_case, sent) => {
    const served = connect();
    expect(dialogue(served, sent)).toBe('');
    expect(served.link.closeReason).toBe('protocolViolation');
    expect(served.link.isReleased).toBe(true);
  });

  it.each([
    ['a name length of 0xffffffff', '00000006 ffffffff 0000'],
    ['a name length beyond the data', '00000007 00000002 41 0000'],
    ['a count beyond the data', '00000006 00000000 0001'],
    ['a count of less than the data', '00000008 00000000 0000 0003'],
    ['no data at all', '00000000'],
    ['a name with NUL', '00000007 00000001 00 0000'],
  ])('answers INVALID to GO with %s, and goes on', (_case, rest) => {
    const got = dialogue(connect(), '00000003', OPT, '00000007', rest);
    expect(got.slice(0, 40)).toBe(clean(`${REP} 00000007 80000003`) + got.slice(32, 40));
  });

  it.each([
    ['a name length of 0xffffffff', '00000008 ffffffff 00000000'],
    ['a query count of 0xffffffff', '00000008 00000000 ffffffff'],
    ['a query length of 0xffffffff', '0000000c 00000000 00000001 ffffffff'],
    ['bytes after the last query', '00000009 00000000 00000000 00'],
    ['a missing query', '00000008 00000000 00000001'],
    ['half a count', '00000006 00000000 0000'],
  ])('answers INVALID to SET_META_CONTEXT with %s', (_case, rest) => {
    const got = dialogue(connect(), '00000003', OPT, '00000008 00000000', OPT, '0000000a', rest);
    expect(got.slice(40, 72)).toBe(clean(`${REP} 0000000a 80000003`));
  });

  it('is closed after too many options', () => {
    const served = connect();
    served.link.client.sendFlags();
    for (let i = 0; i < 64; i++) served.link.client.sendOption(Option.LIST);
    served.link.run();
    expect(replyTypes(served).length).toBe(128);
    expect(served.link.closeReason).toBeUndefined();
    served.link.client.sendOption(Option.LIST);
    served.link.run();
    expect(served.link.closeReason).toBe('limitExceeded');
    expect(replyTypes(served).length).toBe(128);
  });

  it('is closed at the announcement of more bytes than a handshake may have', () => {
    const served = connect();
    dialogue(served, '00000003', OPT, '00000063 ffffffff');
    expect(served.link.closeReason).toBe('limitExceeded');
  });

  it('looks at no further option while its answers are not read', () => {
    const served = connect({ definition: { description: 'd'.repeat(4000) } });
    const { link } = served;
    link.clientReads = false;
    link.client.sendFlags();
    for (let i = 0; i < 60; i++) link.client.sendOption(Option.LIST);
    link.run();
    expect(link.connection.wantsInput).toBe(false);
    expect(link.bytesWaiting).toBeGreaterThan(500);
    link.clientReads = true;
    link.run();
    expect(replyTypes(served).length).toBe(120);
    expect(link.bytesWaiting).toBe(0);
  });

  it('ends quietly at every truncation of every message', () => {
    const full = connect();
    const { client } = full.link;
    client.sendFlags();
    client.sendOption(Option.STRUCTURED_REPLY);
    client.sendMetaContext(Option.LIST_META_CONTEXT, 'disk', []);
    client.sendMetaContext(Option.SET_META_CONTEXT, 'disk', ['base:allocation']);
    client.sendOption(Option.LIST);
    client.sendOption(77, new Uint8Array(10));
    client.sendInfo(Option.INFO, 'disk', [1, 2, 3]);
    client.sendInfo(Option.GO, 'disk');
    const bytes = client.takeOutgoing();
    for (let length = 0; length < bytes.length; length++) {
      const { link } = connect();
      link.client.sendRaw(bytes.slice(0, length));
      link.run();
      expect(link.bytesWaiting).toBe(0);
      expect(link.connection.state).toBe('handshake');
      link.connection.endInput();
      link.run();
      expect(link.closeReason).toBe('inputEnded');
      expect(link.isReleased).toBe(true);
    }
  });
});
