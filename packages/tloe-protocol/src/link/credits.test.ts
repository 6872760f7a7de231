import { describe, expect, it } from 'vitest';

import { CREDIT_CEILING, CreditAccount, CreditDebt } from './credits.ts';

const GRANTS = [0, 4, 4, 4, 4, 4];

describe('an account of credits', () => {
  it('begins empty on every channel', () => {
    expect([...new CreditAccount().available]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('adds a power of two to one channel, exactly, for every exponent', () => {
    for (let exponent = 0; exponent <= 31; exponent++) {
      const account = new CreditAccount();
      account.grant(3, exponent);
      expect([...account.available]).toEqual([0, 0, 0, 2 ** exponent, 0, 0]);
    }
  });

  it('does not overflow: exponent 31 is 2^31 flits more, not fewer', () => {
    const account = new CreditAccount();
    account.grant(1, 31);
    account.grant(1, 31);
    expect(account.available[1]).toBe(2 ** 32);
  });

  it('stops rising at a ceiling, however much is granted', () => {
    const account = new CreditAccount();
    for (let i = 0; i < 2000; i++) account.grant(1, 31);
    expect(account.available[1]).toBe(CREDIT_CEILING);
    account.spend(1, 5);
    expect(account.available[1]).toBe(CREDIT_CEILING - 5);
  });

  it('ignores channel 0 and the channels that do not exist', () => {
    const account = new CreditAccount();
    for (const channel of [0, 6, 7]) account.grant(channel, 31);
    expect([...account.available]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('spends of one channel only, below zero if the caller wants', () => {
    const account = new CreditAccount();
    account.grant(1, 1);
    account.grant(4, 1);
    account.spend(4, 10);
    expect([...account.available]).toEqual([0, 2, 0, 0, -8, 0]);
    account.reset();
    expect([...account.available]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe('a debt of credits', () => {
  it('gives back the largest power of two first and keeps the rest', () => {
    const debt = new CreditDebt(GRANTS);
    debt.add(4, 10);
    debt.add(4, 1);
    expect([debt.take(4), debt.take(4), debt.take(4)]).toEqual([3, 1, 0]);
    expect(debt.largest()).toBe(0);
    expect(() => debt.take(4)).toThrow('something is owed');
  });

  it('never gives back more than fits in the header, and loses nothing of what it owes', () => {
    const debt = new CreditDebt(GRANTS);
    debt.add(2, 2 ** 33 + 3);
    const taken: number[] = [];
    while (debt.largest() !== 0) taken.push(debt.take(2));
    expect(taken).toEqual([31, 31, 31, 31, 1, 0]);
  });

  it('names the channel to which most is owed', () => {
    const debt = new CreditDebt(GRANTS);
    expect(debt.largest()).toBe(0);
    debt.add(5, 1);
    expect(debt.largest()).toBe(5);
    debt.add(2, 2);
    expect(debt.largest()).toBe(2);
    debt.add(5, 2);
    expect(debt.largest()).toBe(5);
    debt.reset();
    expect(debt.largest()).toBe(0);
  });

  it('is urgent when half of the buffer of any channel is owed', () => {
    for (let channel = 1; channel <= 5; channel++) {
      const debt = new CreditDebt(GRANTS);
      debt.add(channel, 7);
      expect(debt.isUrgent()).toBe(false);
      debt.add(channel, 1);
      expect(debt.isUrgent()).toBe(true);
      debt.take(channel);
      expect(debt.isUrgent()).toBe(false);
    }
  });

  it('is not urgent when nothing is owed, also with a buffer of one flit', () => {
    const debt = new CreditDebt([0, 0, 0, 0, 0, 0]);
    expect(debt.isUrgent()).toBe(false);
    debt.add(1, 1);
    expect(debt.isUrgent()).toBe(true);
  });
});
