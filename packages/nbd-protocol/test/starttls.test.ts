import { describe, expect, it } from 'vitest';

import { ExportTable } from '../src/export-table.ts';
import { MemoryBlockBackend } from '../src/testing/memory-block-backend.ts';
import { MemoryLink } from '../src/testing/memory-link.ts';
import { Option, OptionReply } from '../src/wire/constants.ts';

const { ACK, ERR_INVALID, ERR_TLS_REQD } = OptionReply;

/** A connection with TLS required, to which the client has sent its flags. */
function connectSecurely(): MemoryLink {
  const backend = new MemoryBlockBackend({ sizeBytes: 4096 });
  const link = new MemoryLink({ exports: new ExportTable([{ name: 'disk', backend }]), tls: true });
  link.client.sendFlags();
  return link;
}

function replyTypes(link: MemoryLink): number[] {
  return link.client.optionReplies.map((reply) => reply.type);
}

describe('a server that requires TLS', () => {
  it.each([
    ['a listing', Option.LIST, 0],
    ['information', Option.INFO, 6],
    ['an export by GO', Option.GO, 6],
    ['structured replies', Option.STRUCTURED_REPLY, 0],
    ['what it does not know', 4711, 3],
    ['something too long', Option.SET_META_CONTEXT, 64 * 1024 + 1],
  ])('refuses %s in plain, and says why', (_what, option, length) => {
    const link = connectSecurely();
    link.client.sendOption(option, new Uint8Array(length));
    link.run();
    expect(replyTypes(link)).toEqual([ERR_TLS_REQD]);
    expect(link.connection.state).toBe('handshake');
  });

  it('closes on EXPORT_NAME in plain, which has no error reply', () => {
    const link = connectSecurely();
    link.client.sendOption(Option.EXPORT_NAME);
    link.run();
    expect(link.closeReason).toBe('protocolViolation');
    expect(link.closeText).toBe('the client asked for an export without TLS');
  });

  it('lets a client leave in plain', () => {
    const link = connectSecurely();
    link.client.sendOption(Option.ABORT);
    link.run();
    expect(link.closeReason).toBe('aborted');
  });

  it('tells its host to start once the client has its answer, and serves when TLS is there', () => {
    const link = connectSecurely();
    link.client.sendOption(Option.STARTTLS);
    link.moveInput();
    expect(link.startTlsCalls).toBe(0);
    link.run();
    expect(link.startTlsCalls).toBe(1);
    expect(replyTypes(link)).toEqual([ACK]);
    expect(link.connection.wantsInput).toBe(false);
    link.connection.tlsStarted();
    link.client.sendOption(Option.STRUCTURED_REPLY);
    link.client.sendOption(Option.STARTTLS);
    link.client.sendInfo(Option.GO, 'disk');
    link.run();
    expect(replyTypes(link).slice(0, 3)).toEqual([ACK, ACK, ERR_INVALID]);
    expect(link.client.inTransmission).toBe(true);
    expect(link.startTlsCalls).toBe(1);
  });

  it('refuses STARTTLS with data, and takes it without', () => {
    const link = connectSecurely();
    link.client.sendOption(Option.STARTTLS, new Uint8Array(1));
    link.client.sendOption(Option.STARTTLS);
    link.run();
    expect(replyTypes(link)).toEqual([ERR_INVALID, ACK]);
  });

  it('closes on bytes that were slipped in behind STARTTLS', () => {
    const link = connectSecurely();
    link.client.sendOption(Option.STARTTLS);
    link.client.sendInfo(Option.GO, 'disk');
    link.run();
    expect(link.closeReason).toBe('protocolViolation');
    expect(link.startTlsCalls).toBe(0);
  });

  it('closes on plain bytes that come while its answer is on the way', () => {
    const link = connectSecurely();
    link.client.sendOption(Option.STARTTLS);
    link.moveInput();
    link.connection.receive(new Uint8Array(1), 0, 1);
    expect(link.closeReason).toBe('protocolViolation');
    link.run();
    expect(link.startTlsCalls).toBe(0);
  });

  it('does not start TLS with a client that has closed its side', () => {
    const link = connectSecurely();
    link.client.sendOption(Option.STARTTLS);
    link.moveInput();
    link.connection.endInput();
    link.run();
    expect(link.startTlsCalls).toBe(0);
    expect(link.closeReason).toBe('inputEnded');
    link.connection.tlsStarted();
  });
});
